//! `locum mock`: scripted providers on loopback.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use super::{FAILED, OK};
use crate::testkit::{self, Script};

#[derive(clap::Args)]
pub(super) struct Mock {
    /// The script (JSON); see docs/testing.md
    script: PathBuf,
    /// The port; 0 lets the system choose
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Do not print the requests as they come
    #[arg(long)]
    quiet: bool,
}

impl Mock {
    /// Prints a line of JSON per upstream (`{"upstream", "base_url"}`), one when it is ready, then one per request.
    pub(super) async fn run(self) -> io::Result<i32> {
        let mock = match self.start().await {
            Ok(mock) => mock,
            Err(problem) => {
                eprintln!("locum: {}: {problem}", self.script.display());
                return Ok(FAILED);
            }
        };
        let interrupted = tokio::signal::ctrl_c();
        tokio::pin!(interrupted);
        let mut out = io::stdout();
        for name in mock.names() {
            writeln!(out, "{}", serde_json::json!({"upstream": name, "base_url": mock.url(name)}))?;
        }
        writeln!(out, "{}", serde_json::json!({"ready": true}))?;
        out.flush()?;
        let mut printed = 0;
        loop {
            tokio::select! {
                _ = &mut interrupted => return Ok(OK),
                () = tokio::time::sleep(Duration::from_millis(50)), if !self.quiet => {
                    let (news, next) = mock.log_from(printed);
                    printed = next;
                    for seen in news {
                        writeln!(out, "{}", seen.to_value())?;
                    }
                    out.flush()?;
                }
            }
        }
    }

    async fn start(&self) -> Result<testkit::Mock, String> {
        let text = std::fs::read_to_string(&self.script).map_err(|error| error.to_string())?;
        let value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let script = Script::from_value(value).map_err(|error| error.to_string())?;
        testkit::Mock::start_on(script, self.port).await.map_err(|error| error.to_string())
    }
}
