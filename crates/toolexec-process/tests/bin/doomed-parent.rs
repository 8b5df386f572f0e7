//! Spawns a group of two and, on Linux, adopts one that left it; says which, and waits to be
//! killed.

use tokio::io::{AsyncBufReadExt, BufReader};
use toolexec_process::{Command, base_env, watchdog_pid};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the test reads it")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let script = "sleep 300 & echo $!; setsid sleep 300 & echo $!; sleep 300";
    let shell = Command::new("sh").args(["-c", script]).envs(base_env());
    let mut child = shell.spawn()?;
    let stdout = child.take_stdout().ok_or("no stdout")?;
    let mut lines = BufReader::new(stdout).lines();
    let grandchild = lines.next_line().await?.ok_or("no grandchild")?;
    let stray = lines.next_line().await?.ok_or("none that left")?;
    #[cfg(target_os = "linux")]
    child.adopt(stray.parse()?)?;
    let watchdog = watchdog_pid().unwrap_or(0);
    println!("{} {grandchild} {stray} {watchdog}", child.pid());
    child.wait().await?;
    Ok(())
}
