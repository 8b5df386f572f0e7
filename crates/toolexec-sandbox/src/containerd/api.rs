//! The part of containerd's API that is used here, as it goes over the wire: messages with the
//! numbers of its `.proto` files, and which call takes which.
//!
//! The crate containerd-client has all of it, but building that takes `protoc`, which a machine
//! that installs this crate need not have.

use std::collections::HashMap;

use prost::Message;
use prost_types::Any;

/// What a call takes, where it goes and what it answers.
pub(super) trait Call: Message + 'static {
    /// Service and method.
    const PATH: &'static str;
    /// What comes back.
    type Answer: Message + Default + 'static;
}

/// An answer that says nothing but that it was done.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Done {}

/// The type of the runtime specification in an [`Any`].
pub(super) const SPEC_TYPE: &str = "types.containerd.io/opencontainers/runtime-spec/1/Spec";

/// Options of `io.containerd.runc.v2`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct RuncOptions {
    #[prost(string, tag = "6")]
    pub(super) binary_name: String,
}

impl RuncOptions {
    pub(super) const TYPE: &'static str = "containerd.runc.v1.Options";
}

/// Options of every other runtime.
#[derive(Clone, PartialEq, Message)]
pub(super) struct RuntimeOptions {
    #[prost(string, tag = "1")]
    pub(super) type_url: String,
    #[prost(string, tag = "2")]
    pub(super) config_path: String,
}

impl RuntimeOptions {
    pub(super) const TYPE: &'static str = "runtimeoptions.v1.Options";
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Runtime {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, optional, tag = "2")]
    pub(super) options: Option<Any>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Container {
    #[prost(string, tag = "1")]
    pub(super) id: String,
    #[prost(map = "string, string", tag = "2")]
    pub(super) labels: HashMap<String, String>,
    #[prost(string, tag = "3")]
    pub(super) image: String,
    #[prost(message, optional, tag = "4")]
    pub(super) runtime: Option<Runtime>,
    #[prost(message, optional, tag = "5")]
    pub(super) spec: Option<Any>,
    #[prost(string, tag = "6")]
    pub(super) snapshotter: String,
    #[prost(string, tag = "7")]
    pub(super) snapshot_key: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct CreateContainer {
    #[prost(message, optional, tag = "1")]
    pub(super) container: Option<Container>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ListContainers {
    #[prost(string, repeated, tag = "1")]
    pub(super) filters: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Containers {
    #[prost(message, repeated, tag = "1")]
    pub(super) containers: Vec<Container>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct DeleteContainer {
    #[prost(string, tag = "1")]
    pub(super) id: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Mount {
    #[prost(string, tag = "1")]
    pub(super) kind: String,
    #[prost(string, tag = "2")]
    pub(super) source: String,
    #[prost(string, tag = "3")]
    pub(super) target: String,
    #[prost(string, repeated, tag = "4")]
    pub(super) options: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct CreateTask {
    #[prost(string, tag = "1")]
    pub(super) container_id: String,
    #[prost(message, repeated, tag = "3")]
    pub(super) rootfs: Vec<Mount>,
    #[prost(string, tag = "4")]
    pub(super) stdin: String,
    #[prost(string, tag = "5")]
    pub(super) stdout: String,
    #[prost(string, tag = "6")]
    pub(super) stderr: String,
    #[prost(message, optional, tag = "9")]
    pub(super) options: Option<Any>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct StartTask {
    #[prost(string, tag = "1")]
    pub(super) container_id: String,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Started {
    #[prost(uint32, tag = "1")]
    pub(super) pid: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct KillTask {
    #[prost(string, tag = "1")]
    pub(super) container_id: String,
    #[prost(uint32, tag = "3")]
    pub(super) signal: u32,
    #[prost(bool, tag = "4")]
    pub(super) all: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct WaitTask {
    #[prost(string, tag = "1")]
    pub(super) container_id: String,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Waited {
    #[prost(uint32, tag = "1")]
    pub(super) exit_status: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct DeleteTask {
    #[prost(string, tag = "1")]
    pub(super) container_id: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct GetImage {
    #[prost(string, tag = "1")]
    pub(super) name: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct GotImage {
    #[prost(message, optional, tag = "1")]
    pub(super) image: Option<Image>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Image {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, optional, tag = "3")]
    pub(super) target: Option<Descriptor>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Descriptor {
    #[prost(string, tag = "2")]
    pub(super) digest: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ReadContent {
    #[prost(string, tag = "1")]
    pub(super) digest: String,
    #[prost(int64, tag = "3")]
    pub(super) size: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Content {
    #[prost(bytes = "vec", tag = "2")]
    pub(super) data: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PrepareSnapshot {
    #[prost(string, tag = "1")]
    pub(super) snapshotter: String,
    #[prost(string, tag = "2")]
    pub(super) key: String,
    #[prost(string, tag = "3")]
    pub(super) parent: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Mounts {
    #[prost(message, repeated, tag = "1")]
    pub(super) mounts: Vec<Mount>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct RemoveSnapshot {
    #[prost(string, tag = "1")]
    pub(super) snapshotter: String,
    #[prost(string, tag = "2")]
    pub(super) key: String,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct GetVersion {}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Version {
    #[prost(string, tag = "1")]
    pub(super) version: String,
}

macro_rules! calls {
    ($($call:ty => $answer:ty, $path:literal;)*) => {
        $(impl Call for $call {
            const PATH: &'static str = concat!("/containerd.services.", $path);
            type Answer = $answer;
        })*
    };
}

calls! {
    GetVersion => Version, "version.v1.Version/Version";
    CreateContainer => Done, "containers.v1.Containers/Create";
    ListContainers => Containers, "containers.v1.Containers/List";
    DeleteContainer => Done, "containers.v1.Containers/Delete";
    CreateTask => Done, "tasks.v1.Tasks/Create";
    StartTask => Started, "tasks.v1.Tasks/Start";
    KillTask => Done, "tasks.v1.Tasks/Kill";
    WaitTask => Waited, "tasks.v1.Tasks/Wait";
    DeleteTask => Done, "tasks.v1.Tasks/Delete";
    GetImage => GotImage, "images.v1.Images/Get";
    ReadContent => Content, "content.v1.Content/Read";
    PrepareSnapshot => Mounts, "snapshots.v1.Snapshots/Prepare";
    RemoveSnapshot => Done, "snapshots.v1.Snapshots/Remove";
}
