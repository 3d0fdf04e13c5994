//! What earlier calls did and cost, from the records that are kept.

use serde_json::Value;

use super::Router;
use crate::accounting::ledger;
use crate::accounting::report::Report;
use crate::catalog;
use crate::error::{Error, ErrorKind};
use crate::types::{Days, ParseError, UsageBy, UsageReport, parse};

impl Router {
    /// What calls did and cost that began from the day `since` to the day `until` (`2026-11-24`, UTC, both included), as rows: the
    /// report of `locum report`. It reads the records that `[accounting]` keeps, those of other processes too, after a
    /// [`Router::flush`].
    ///
    /// It holds up the thread that it is called on while it reads: in async code, call it in `tokio::task::spawn_blocking`.
    ///
    /// ```no_run
    /// # fn f(router: locum::Router) -> Result<(), locum::Error> {
    /// use locum::UsageBy;
    ///
    /// let report = router.usage(UsageBy::Customer, Some("2026-11-01"), None)?;
    /// for row in &report.rows {
    ///     println!("{}: {} calls, {:?} USD", row.name, row.count, row.cost_usd);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Kind `invalid_request` for what is no day, `config` where no records are kept or those that are cannot be read.
    pub fn usage(&self, by: UsageBy, since: Option<&str>, until: Option<&str>) -> Result<UsageReport, Error> {
        self.report(by, Days::read(since, until)?)
    }

    /// The same from loosely typed input: an object with `by`, `since` and `until`, or null.
    ///
    /// # Errors
    /// As [`Router::usage`].
    pub fn usage_value(&self, options: Value) -> Result<UsageReport, Error> {
        let (mut by, mut since, mut until) = (UsageBy::default(), None, None);
        let options = if options.is_null() { Value::Object(Default::default()) } else { options };
        for (key, value) in parse::object(options, "options")? {
            if value.is_null() {
                continue;
            }
            let text = |value| parse::string(value, &key);
            match key.as_str() {
                "by" => by = UsageBy::read(&text(value)?)?,
                "since" => since = Some(text(value)?),
                "until" => until = Some(text(value)?),
                _ => return Err(ParseError::new(key, "unknown option (known: by, since, until)").into()),
            }
        }
        self.usage(by, since.as_deref(), until.as_deref())
    }

    fn report(&self, by: UsageBy, days: Days) -> Result<UsageReport, Error> {
        let written = self.flush(None);
        let mut report = Report::new(by);
        let left_out = ledger::read(&self.policy().accounting, days, &mut |line| report.add(line));
        let mut warnings = left_out.map_err(|why| Error::new(ErrorKind::Config, why.to_string()))?;
        if !written {
            warnings.push("records of the last calls are not written yet".to_owned());
        }
        Ok(report.finish(catalog::date(), warnings))
    }
}
