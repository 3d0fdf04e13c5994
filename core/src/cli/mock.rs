//! `locum mock`: scripted providers on loopback.

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
    pub(super) async fn run(self) -> i32 {
        let mock = match self.start().await {
            Ok(mock) => mock,
            Err(problem) => {
                eprintln!("locum: {}: {problem}", self.script.display());
                return FAILED;
            }
        };
        for name in mock.names() {
            println!("{}", serde_json::json!({"upstream": name, "base_url": mock.url(name)}));
        }
        println!("{}", serde_json::json!({"ready": true}));
        let mut printed = 0;
        loop {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => return OK,
                () = tokio::time::sleep(Duration::from_millis(50)), if !self.quiet => {
                    for seen in mock.log().iter().skip(printed) {
                        printed += 1;
                        println!("{}", seen.to_value());
                    }
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
