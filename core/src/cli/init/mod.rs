//! `locum init`: a first configuration, for the keys that are there or from a LiteLLM configuration. Keys are never written.

mod litellm;
mod starter;
mod text;
mod yaml;

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::{FAILED, OK};
use crate::config::Policy;

/// The largest file that is converted, in bytes.
const LARGEST_YAML: u64 = 4 << 20;

#[derive(clap::Args)]
pub(super) struct Init {
    /// Where to write it
    #[arg(long, short, value_name = "FILE", default_value = "locum.toml", conflicts_with = "stdout")]
    output: PathBuf,
    /// Overwrite a file that is there
    #[arg(long, conflicts_with = "stdout")]
    force: bool,
    /// Print it instead
    #[arg(long)]
    stdout: bool,
    /// Convert this configuration of a LiteLLM proxy
    #[arg(long, value_name = "FILE")]
    from_litellm: Option<PathBuf>,
}

impl Init {
    pub(super) fn run(&self) -> io::Result<i32> {
        let written = match &self.from_litellm {
            None => Ok(starter::write(&|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))),
            Some(path) => converted(path),
        };
        let text = match written {
            Ok(text) => text,
            Err(problem) => {
                eprintln!("{problem}");
                return Ok(FAILED);
            }
        };
        if let Err(error) = Policy::draft(&text) {
            eprintln!("nothing was written, as the result would not load:\n{}", error.message());
            return Ok(FAILED);
        }
        if self.stdout {
            io::stdout().write_all(text.as_bytes())?;
        } else if let Err(error) = save(&self.output, self.force, &text) {
            let hint = if error.kind() == io::ErrorKind::AlreadyExists { "; --force overwrites it" } else { "" };
            eprintln!("locum: {}: {error}{hint}", self.output.display());
            return Ok(FAILED);
        }
        if !self.stdout {
            println!("wrote {}; next: locum check {0}", self.output.display());
        }
        Ok(OK)
    }
}

/// The other file as Locum's, after its notes went to stderr.
fn converted(path: &Path) -> Result<String, String> {
    let name = path.display().to_string();
    let yaml = read(path).map_err(|error| format!("{name}: {error}"))?;
    let (text, notes) = litellm::convert(&yaml, &name)?;
    for note in notes {
        eprintln!("{note}");
    }
    Ok(text)
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(LARGEST_YAML + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST_YAML {
        return Err(io::Error::other(format!("is larger than {LARGEST_YAML} bytes")));
    }
    Ok(text)
}

fn save(path: &Path, force: bool, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).truncate(force).create(true).create_new(!force);
    options.open(path)?.write_all(text.as_bytes())
}
