//! Spawns a group of two, says which, and waits to be killed.

use tokio::io::{AsyncBufReadExt, BufReader};
use toolexec_process::{Command, base_env, watchdog_pid};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the test reads it")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let script = "sleep 300 & echo $!; sleep 300";
    let shell = Command::new("sh").args(["-c", script]).envs(base_env());
    let mut child = shell.spawn()?;
    let stdout = child.take_stdout().ok_or("no stdout")?;
    let grandchild = BufReader::new(stdout).lines().next_line().await?;
    let grandchild = grandchild.ok_or("no grandchild")?;
    let watchdog = watchdog_pid().unwrap_or(0);
    println!("{} {grandchild} {watchdog}", child.pid());
    child.wait().await?;
    Ok(())
}
