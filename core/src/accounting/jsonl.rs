//! Records as lines of JSON in a file, which several processes may share.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Take, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Sink, shown};
use crate::types::CallRecord;

/// A file of lines. Where it has become too long it makes room: `usage.jsonl` becomes `usage.jsonl.1`, that `.2`, and so on.
pub(crate) struct Jsonl {
    path: PathBuf,
    /// The length in bytes from which on it makes room.
    max_bytes: u64,
    /// How many older files are kept.
    keep: u32,
}

impl Jsonl {
    pub(crate) fn new(path: PathBuf, max_bytes: u64, keep: u32) -> Self {
        Self { path, max_bytes, keep }
    }

    fn append(&self, lines: &[u8]) -> io::Result<()> {
        loop {
            let file = OpenOptions::new().create(true).append(true).open(&self.path)?;
            // One writes or makes room at a time, also among processes.
            file.lock()?;
            let written = self.append_to(&file, lines);
            // Said, not left to the closing: a child that was forked meanwhile has the file open, and would keep the lock.
            file.unlock()?;
            if written? {
                return Ok(());
            }
        }
    }

    /// Whether the lines are in the file; else it is not the one of this name any more.
    fn append_to(&self, mut file: &File, lines: &[u8]) -> io::Result<bool> {
        if !self.is_it(file) {
            return Ok(false);
        }
        let before = file.metadata()?.len();
        if before > 0 && before.saturating_add(lines.len() as u64) > self.max_bytes {
            self.make_room()?;
            return Ok(false);
        }
        // Half of a line would spoil the next one.
        file.write_all(lines).and_then(|()| file.sync_data()).inspect_err(|_| drop(file.set_len(before)))?;
        Ok(true)
    }

    /// Whether nobody has made room between its opening and its lock.
    #[cfg(unix)]
    fn is_it(&self, file: &File) -> bool {
        use std::os::unix::fs::MetadataExt;
        let named = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        file.metadata().ok().map(named) == fs::metadata(&self.path).ok().map(named)
    }

    /// An open file cannot be renamed there.
    #[cfg(not(unix))]
    fn is_it(&self, _: &File) -> bool {
        true
    }

    /// The files with all their records, the older ones first, each as long as it is now. They are opened while nobody makes room,
    /// so no record is missed and none comes twice.
    pub(super) fn open(&self) -> Result<Vec<(PathBuf, Take<File>)>, String> {
        let newest = loop {
            let Some(newest) = opened(&self.path)? else {
                break None;
            };
            // Where there are no locks, nobody has one either.
            let _ = newest.lock_shared();
            if self.is_it(&newest) {
                break Some(newest);
            }
        };
        let mut files = Vec::new();
        for path in (1..=self.keep).rev().map(|number| older(&self.path, number)) {
            files.extend(opened(&path)?.map(|file| (path, file)));
        }
        files.extend(newest.map(|file| (self.path.clone(), file)));
        let mut measured = Vec::new();
        for (path, file) in files {
            let metadata = file.metadata().map_err(|error| format!("{}: {error}", shown(&path)))?;
            measured.push((path, file.take(metadata.len())));
        }
        if let Some((_, newest)) = measured.last() {
            let _ = newest.get_ref().unlock();
        }
        Ok(measured)
    }

    fn make_room(&self) -> io::Result<()> {
        let numbered = |number| older(&self.path, number);
        if self.keep == 0 {
            return fs::remove_file(&self.path);
        }
        for number in (1..self.keep).rev() {
            match fs::rename(numbered(number), numbered(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(&self.path, numbered(1))
    }
}

/// The file, where it is there. Anything else of this name is not opened: a pipe would hold up who reads.
fn opened(path: &Path) -> Result<Option<File>, String> {
    match fs::metadata(path).and_then(|metadata| metadata.is_file().then(|| File::open(path)).transpose()) {
        Ok(Some(file)) => Ok(Some(file)),
        Ok(None) => Err(format!("{}: is no file", shown(path))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: {error}", shown(path))),
    }
}

/// The name of an older file.
fn older(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

impl Sink for Jsonl {
    fn write(&mut self, records: &[Arc<CallRecord>]) -> Result<(), String> {
        let mut lines = Vec::new();
        for record in records {
            lines.extend(record.to_value().to_string().into_bytes());
            lines.push(b'\n');
        }
        self.append(&lines).map_err(|error| format!("{}: {error}", shown(&self.path)))
    }
}
