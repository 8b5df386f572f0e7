//! The sessions there are, the names that are taken, and what became of others.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::entry::Entry;
use super::spoken;
use crate::error::{Error, ErrorKind, Result};

/// Of how many sessions that are gone it is known why.
const MAX_GONE: usize = 64;
/// The longest name.
const MAX_NAME: usize = 64;
/// How many names an error lists.
const MAX_LISTED: usize = 10;

/// Why a session is gone.
#[derive(Debug, Clone, Copy)]
pub(super) enum Gone {
    Stopped,
    Idle,
}

#[derive(Default)]
pub(super) struct Table {
    // `None` while a session is being started.
    sessions: BTreeMap<String, Option<Arc<Entry>>>,
    gone: VecDeque<(String, Gone)>,
    next: u64,
    /// Whether somebody looks after those that are not used.
    pub(super) is_aging: bool,
}

impl Table {
    pub(super) fn entries(&self) -> Vec<Arc<Entry>> {
        self.sessions.values().flatten().cloned().collect()
    }

    pub(super) fn get(&self, name: &str, idle: Duration) -> Result<Arc<Entry>> {
        match self.sessions.get(name) {
            Some(Some(entry)) => return Ok(entry.clone()),
            Some(None) => {
                let message = format!("the session {name} is still being started");
                return Err(Error::new(ErrorKind::Unavailable, message));
            }
            None => {}
        }
        let gone = self.gone.iter().rev().find(|(known, _)| known == name);
        let message = match gone {
            Some((_, Gone::Stopped)) => format!("the session {name} was stopped"),
            Some((_, Gone::Idle)) => format!(
                "the session {name} was ended, because it was not used for {}",
                spoken(idle)
            ),
            None => format!("there is no session {:?}", shortened(name)),
        };
        Err(Error::new(ErrorKind::NotFound, message).with_hint(self.there_are()))
    }

    /// Takes a name, or finds one.
    pub(super) fn reserve(&mut self, name: Option<&str>, max: usize) -> Result<String> {
        if let Some(name) = name {
            self.check_name(name)?;
        }
        if self.sessions.len() >= max && !self.drop_lost() {
            let message = format!("there are {max} sessions already, as many as there may be");
            return Err(Error::new(ErrorKind::LimitExceeded, message)
                .with_hint(format!("stop one of them: {}", self.names())));
        }
        let name = name.map_or_else(|| self.free_name(), str::to_owned);
        self.gone.retain(|(known, _)| *known != name);
        self.sessions.insert(name.clone(), None);
        Ok(name)
    }

    pub(super) fn release(&mut self, name: &str) {
        if let Some(None) = self.sessions.get(name) {
            self.sessions.remove(name);
        }
    }

    pub(super) fn keep(&mut self, entry: Arc<Entry>) {
        self.sessions.insert(entry.name().to_owned(), Some(entry));
    }

    pub(super) fn remove(&mut self, name: &str, why: Gone) -> Option<Arc<Entry>> {
        let entry = self.sessions.remove(name)?;
        self.gone.push_back((name.to_owned(), why));
        if self.gone.len() > MAX_GONE {
            self.gone.pop_front();
        }
        entry
    }

    /// The sessions that were not used for so long, which are no more; and when to look again.
    pub(super) fn age(&mut self, idle: Duration) -> (Vec<Arc<Entry>>, Option<Instant>) {
        let old: Vec<String> = self
            .entries()
            .iter()
            .filter(|entry| entry.idle_since().is_some_and(|at| at.elapsed() >= idle))
            .map(|entry| entry.name().to_owned())
            .collect();
        let ended = old.iter().filter_map(|name| self.remove(name, Gone::Idle));
        let ended = ended.collect();
        // One that is used now is idle later.
        let left = self.entries();
        let next = left
            .iter()
            .map(|entry| entry.idle_since().unwrap_or_else(Instant::now) + idle)
            .min();
        self.is_aging = next.is_some();
        (ended, next)
    }

    fn check_name(&self, name: &str) -> Result<()> {
        let may = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
        if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(may) {
            let message = format!("{:?} is no name of a session", shortened(name));
            return Err(Error::new(ErrorKind::InvalidInput, message)
                .with_hint(format!("take up to {MAX_NAME} letters, digits, - and _")));
        }
        if self.sessions.contains_key(name) {
            let message = format!("there is a session {name} already");
            return Err(Error::new(ErrorKind::InvalidInput, message)
                .with_hint("take another name, or stop that session first"));
        }
        Ok(())
    }

    /// Makes room: a session that is lost is of little use.
    fn drop_lost(&mut self) -> bool {
        let entries = self.entries();
        let lost = entries.iter().find(|entry| entry.is_lost());
        lost.is_some_and(|entry| self.remove(entry.name(), Gone::Stopped).is_some())
    }

    fn free_name(&mut self) -> String {
        loop {
            self.next += 1;
            let name = format!("s{}", self.next);
            if !self.sessions.contains_key(&name) {
                return name;
            }
        }
    }

    fn there_are(&self) -> String {
        if self.sessions.is_empty() {
            return "there are no sessions; start one".to_owned();
        }
        format!("there are: {}", self.names())
    }

    fn names(&self) -> String {
        let names: Vec<&str> = self.sessions.keys().map(String::as_str).collect();
        let (listed, more) = names.split_at(names.len().min(MAX_LISTED));
        let listed = listed.join(", ");
        if more.is_empty() {
            return listed;
        }
        format!("{listed} and {} more", more.len())
    }
}

fn shortened(name: &str) -> String {
    name.chars().take(MAX_NAME).collect()
}
