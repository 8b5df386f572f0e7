//! Unpacks the modules of kernels. Debian packs them with xz since version 13, Ubuntu with
//! Zstandard.

use std::io::Read;

/// The largest module, unpacked.
const MOST: u64 = 64 << 20;
const ELF: &[u8] = b"\x7fELF";
const XZ: &[u8] = b"\xfd7zXZ\0";
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// A module as the kernel takes it. Nothing, when it is packed in another way, or damaged.
pub(crate) fn unpack(module: Vec<u8>) -> Option<Vec<u8>> {
    if module.starts_with(ELF) {
        return Some(module);
    }
    let mut content = Vec::new();
    if module.starts_with(XZ) {
        let reader = lzma_rust2::XzReader::new(&*module, true);
        reader.take(MOST).read_to_end(&mut content).ok()?;
    } else if module.starts_with(ZSTD) {
        let reader = ruzstd::decoding::StreamingDecoder::new(&*module).ok()?;
        reader.take(MOST).read_to_end(&mut content).ok()?;
    }
    content.starts_with(ELF).then_some(content)
}
