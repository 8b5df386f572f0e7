//! Takes the kernel itself out of the image that boot loaders start, which unpacks itself. A
//! virtual machine starts sooner without that.

use std::io::Read;

use super::kernel::KernelError;

/// The largest kernel, unpacked.
const MOST: u64 = 256 << 20;
const ELF: &[u8] = b"\x7fELF";
const LZ4_LEGACY: [u8; 4] = [0x02, 0x21, 0x4c, 0x18];
/// What stands in the headers of kernels for ARM's processors.
const ARM64: &[u8] = b"ARM\x64";
const OTHER_PROCESSOR: &str = "it is for another kind of processor; machines here have x86_64";
/// What a block of LZ4's legacy format holds, unpacked.
const LZ4_BLOCK: usize = 8 << 20;
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// The kernel in an image, an ELF executable. Nothing, when it is packed in a way that is not
/// known here: the image itself starts as well.
///
/// # Errors
/// When this is no image, or it is damaged.
pub(crate) fn extract(image: &[u8]) -> Result<Option<Vec<u8>>, KernelError> {
    if image.starts_with(ELF) {
        check(image)?;
        return Ok(Some(image.to_vec()));
    }
    if image.get(56..60) == Some(ARM64) {
        return Err(KernelError::NoImage(OTHER_PROCESSOR));
    }
    let payload = payload(image).ok_or(KernelError::NoImage("it has no header of Linux"))?;
    let kernel = if let Some(blocks) = payload.strip_prefix(&LZ4_LEGACY) {
        lz4(blocks)?
    } else if payload.starts_with(&ZSTD) {
        zstd(payload)?
    } else {
        return Ok(None);
    };
    check(&kernel)?;
    Ok(Some(kernel))
}

/// Whether a program is a kernel that virtual machines start: one for this kind of processor, with
/// a note that says where it begins without firmware.
fn check(program: &[u8]) -> Result<(), KernelError> {
    let refuse = |why| Err(KernelError::NoImage(why));
    if !program.starts_with(ELF) {
        return refuse("what is packed in it is no program");
    }
    // 64 bits, and the number of this kind of processor.
    if program.get(4) != Some(&2) || program.get(0x12..0x14) != Some(&[62, 0]) {
        return refuse(OTHER_PROCESSOR);
    }
    if has_entry_note(program) != Some(true) {
        return refuse("it is a program that virtual machines cannot start");
    }
    Ok(())
}

/// Whether a program has the note, of Xen, by which machines without firmware start it.
fn has_entry_note(program: &[u8]) -> Option<bool> {
    const NOTES: usize = 4;
    const ENTRY: &[u8] = b"\x12\0\0\0Xen\0";
    let number = |at: usize, bytes: usize| {
        let bytes = program.get(at..at.checked_add(bytes)?)?;
        let value = bytes
            .iter()
            .rev()
            .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        usize::try_from(value).ok()
    };
    let (start, size, count) = (number(0x20, 8)?, number(0x36, 2)?, number(0x38, 2)?);
    for segment in (0..count).map(|at| start.saturating_add(at * size)) {
        if number(segment, 4)? == NOTES {
            let (from, length) = (number(segment + 8, 8)?, number(segment + 32, 8)?);
            let notes = program.get(from..from.checked_add(length)?)?;
            if notes.windows(ENTRY.len()).any(|part| part == ENTRY) {
                return Some(true);
            }
        }
    }
    Some(false)
}

/// What is packed in an image; `Documentation/arch/x86/boot.rst` of Linux says where.
fn payload(image: &[u8]) -> Option<&[u8]> {
    let word = |at: usize| {
        let bytes = image.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    };
    if image.get(0x202..0x206)? != b"HdrS" {
        return None;
    }
    let sectors = usize::from(*image.get(0x1f1)?);
    let start = (sectors + 1) * 512 + word(0x248)?;
    // The last four bytes are the length of what is packed.
    let length = word(0x24c)?.checked_sub(4)?;
    image.get(start..start.checked_add(length)?)
}

fn lz4(mut blocks: &[u8]) -> Result<Vec<u8>, KernelError> {
    let damaged = || KernelError::NoImage("what is packed in it is damaged");
    let mut kernel = Vec::new();
    while let Some((length, rest)) = blocks.split_first_chunk::<4>() {
        let length = u32::from_le_bytes(*length) as usize;
        let block = rest.get(..length).ok_or_else(damaged)?;
        let unpacked = lz4_flex::block::decompress(block, LZ4_BLOCK).map_err(|_| damaged())?;
        kernel.extend_from_slice(&unpacked);
        if kernel.len() as u64 > MOST {
            return Err(damaged());
        }
        blocks = &rest[length..];
    }
    Ok(kernel)
}

fn zstd(payload: &[u8]) -> Result<Vec<u8>, KernelError> {
    let damaged = || KernelError::NoImage("what is packed in it is damaged");
    let decoder = ruzstd::decoding::StreamingDecoder::new(payload).map_err(|_| damaged())?;
    let mut kernel = Vec::new();
    let read = decoder.take(MOST).read_to_end(&mut kernel);
    read.map_err(|_| damaged())?;
    Ok(kernel)
}

/// What looks like a kernel, as far as anybody looks.
#[cfg(test)]
pub(crate) fn fake_kernel() -> Vec<u8> {
    let mut program = vec![0; 64 + 56];
    program[..5].copy_from_slice(b"\x7fELF\x02");
    for (at, value) in [
        (0x12, 62),
        (0x20, 64),
        (0x36, 56),
        (0x38, 1),
        (64, 4),
        (72, 120),
        (96, 16),
    ] {
        program[at] = value;
    }
    program.extend(b"\x04\0\0\0\x08\0\0\0\x12\0\0\0Xen\0");
    program
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An image with a payload, as far as anybody looks at it.
    fn image(payload: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 1024];
        image[0x1f1] = 1;
        image[0x202..0x206].copy_from_slice(b"HdrS");
        let length = u32::try_from(payload.len() + 4).unwrap();
        image[0x24c..0x250].copy_from_slice(&length.to_le_bytes());
        image.extend_from_slice(payload);
        image.extend_from_slice(&[0; 4]);
        image
    }

    fn packed(kernel: &[u8]) -> Vec<u8> {
        let mut packed = LZ4_LEGACY.to_vec();
        for part in kernel.chunks(LZ4_BLOCK) {
            let block = lz4_flex::block::compress(part);
            packed.extend_from_slice(&u32::try_from(block.len()).unwrap().to_le_bytes());
            packed.extend_from_slice(&block);
        }
        packed
    }

    #[test]
    fn a_kernel_of_several_blocks_is_taken_out_whole() {
        let mut kernel = fake_kernel();
        kernel.extend((0..9_000_000_u32).map(|number| (number % 251) as u8));
        assert_eq!(
            extract(&image(&packed(&kernel))).unwrap(),
            Some(kernel.clone())
        );
        assert_eq!(extract(&kernel).unwrap(), Some(kernel));
    }

    #[test]
    fn what_is_damaged_is_told_from_what_is_packed_otherwise() {
        assert_eq!(extract(&image(b"\xfd7zXZ\0")).unwrap(), None);
        let whole = image(&packed(&fake_kernel()));
        let problem = |image: &[u8]| extract(image).unwrap_err().to_string();
        assert_eq!(problem(&whole[..900]), "it has no header of Linux");
        assert_eq!(problem(b"text"), "it has no header of Linux");
        let mut broken = whole;
        broken[1030] = 0xff;
        assert_eq!(problem(&broken), "what is packed in it is damaged");
        assert_eq!(
            problem(&image(&packed(b"text"))),
            "what is packed in it is no program"
        );
    }

    #[test]
    fn a_program_must_be_a_kernel_and_for_this_processor() {
        let problem = |image: &[u8]| extract(image).unwrap_err().to_string();
        let mut other = fake_kernel();
        other[0x12] = 183;
        assert_eq!(problem(&other), OTHER_PROCESSOR);
        let mut other = vec![0; 64];
        other[56..60].copy_from_slice(ARM64);
        assert_eq!(problem(&other), OTHER_PROCESSOR);
        let none = "it is a program that virtual machines cannot start";
        let own = std::fs::read("/proc/self/exe").unwrap();
        assert_eq!(problem(&own), none);
        let cut = fake_kernel();
        assert_eq!(problem(&cut[..cut.len() - 1]), none);
    }
}
