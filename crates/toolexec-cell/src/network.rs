//! The network of a program: nobody, or the host at one port.

use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use toolexec_jail::JailError;
use toolexec_jail::steps::Step;

use crate::report::{Word, say};
use crate::spec::PORT;
use crate::sys;

/// Takes the loopback interface into use; with `listen` the host gets a listener there. There is
/// no other interface, so nobody else can be reached.
pub(crate) fn set_up(listen: bool, host: &UnixStream) -> Result<(), JailError> {
    sys::loopback_up().step("taking the loopback interface into use")?;
    if !listen {
        return Ok(());
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, PORT)).step("listening")?;
    let listener = OwnedFd::from(listener);
    say(host, &Word::Listener, Some(&listener)).step("handing over the listener")
}
