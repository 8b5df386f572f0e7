//! The providers against real HTTP servers, real programs and real documents.

mod github;
mod support;
