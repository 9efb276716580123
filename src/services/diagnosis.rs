//! Why an attempt ended: rules over its exit and its log's end, as data; the first that matches wins.
use super::{Portal, Result, logs};
use crate::domain::{
    job::{Attempt, Card, Cause, Exit, Job},
    names::StreamName,
};
use regex::Regex;
use std::sync::LazyLock;

/// How much of the log's end is looked at.
const TAIL: u64 = 64 << 10;

/// A sign in the log.
struct Rule {
    pattern: &'static str,
    cause: Cause,
    title: &'static str,
    what: &'static str,
    remedy: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        pattern: r"java\.lang\.OutOfMemoryError",
        cause: Cause::Program,
        title: "Java ran out of memory",
        what: "The heap of the driver or of an executor was full.",
        remedy: "Ask for more memory for the driver and each executor, or work on less data at once.",
    },
    Rule {
        pattern: r"Failed to load class|ClassNotFoundException",
        cause: Cause::UserInput,
        title: "The main class was not found",
        what: "The jar does not hold the class that the job names.",
        remedy: "Check the main class, with its package, and that the jar is the right one.",
    },
    Rule {
        pattern: r"PATH_NOT_FOUND|Path does not exist|InvalidInputException: Input path does not exist|FileNotFoundException",
        cause: Cause::UserInput,
        title: "An input was not found",
        what: "The program read a path at which there is nothing.",
        remedy: "Check the arguments: files of the project are addressed as `{project}/…`.",
    },
    Rule {
        pattern: r"PATH_ALREADY_EXISTS|FileAlreadyExistsException",
        cause: Cause::UserInput,
        title: "An output was there already",
        what: "The program writes to a path that holds something.",
        remedy: "Write below `{output}`, which is empty for each attempt, or let the program overwrite.",
    },
    Rule {
        pattern: r"No space left on device",
        cause: Cause::Infrastructure,
        title: "The disk was full",
        what: "There was no room left for temporary data.",
        remedy: "It is tried again. If it stays so, tell the administrators.",
    },
    Rule {
        pattern: r"unresolved dependency|UNRESOLVED DEPENDENCIES",
        cause: Cause::UserInput,
        title: "A package was not found",
        what: "One of the packages that the job names could not be had.",
        remedy: "Check group, artifact and version of each package.",
    },
    Rule {
        pattern: r"ModuleNotFoundError: .*",
        cause: Cause::UserInput,
        title: "A Python module was not found",
        what: "The program imports a module that is not there.",
        remedy: "Add it to the job's Python files.",
    },
    Rule {
        pattern: r"(?m)^[A-Za-z_][\w.]*(Error|Exception|Exit|Interrupt)\b.*",
        cause: Cause::Program,
        title: "The program failed",
        what: "It ended with an error of its own.",
        remedy: "The log shows where. Mend the program, upload it and re-run the job.",
    },
];

static COMPILED: LazyLock<Vec<(Regex, &'static Rule)>> = LazyLock::new(|| {
    RULES
        .iter()
        .filter_map(|rule| Regex::new(rule.pattern).ok().map(|regex| (regex, rule)))
        .collect()
});

fn card(title: &str, what: String, proof: Vec<String>, remedy: &str) -> Card {
    Card {
        title: title.into(),
        what,
        proof,
        remedy: remedy.into(),
    }
}

/// Whose doing the end was, and what to show. A cancelled attempt has no cause.
pub async fn diagnose(
    portal: &Portal,
    job: &Job,
    attempt: &Attempt,
    exit: &Exit,
) -> Result<(Option<Cause>, Card)> {
    let again = "It is tried again by itself, a few times.";
    Ok(match exit {
        Exit::Cancelled => (
            None,
            card(
                "Cancelled",
                "It was ended because somebody asked.".into(),
                vec![],
                "Re-run it when you like.",
            ),
        ),
        Exit::TimedOut { seconds } => (
            Some(Cause::UserInput),
            card(
                "The maximum run time was reached",
                format!("It ran for {seconds} s and was ended."),
                vec![format!("max_run_seconds = {seconds}")],
                "Allow more time when you re-run it, or ask for more executors.",
            ),
        ),
        Exit::NotStarted { why } => (
            Some(Cause::Administration),
            card("It could not be started", why.clone(), vec![], again),
        ),
        Exit::Refused { why } => (
            Some(Cause::UserInput),
            card(
                "The cluster refused it",
                why.clone(),
                vec![],
                "Change what it says when you re-run it. If it says nothing of yours, tell the administrators.",
            ),
        ),
        Exit::Vanished { why } => (
            Some(Cause::Infrastructure),
            card("The driver vanished", why.clone(), vec![], again),
        ),
        Exit::Signal { signal: 9 } => (
            Some(Cause::Program),
            card(
                "The driver was killed",
                "The system killed it, most often because it took more memory than there was."
                    .into(),
                vec!["signal 9".into()],
                "Ask for more memory for the driver, or work on less data at once.",
            ),
        ),
        Exit::Signal { signal } => (
            Some(if matches!(signal, 1 | 2 | 15) {
                Cause::Administration
            } else {
                Cause::Program
            }),
            card(
                &format!("The driver ended by signal {signal}"),
                "Something outside the program ended it, or it crashed.".into(),
                vec![format!("signal {signal}")],
                "The log's end may say more.",
            ),
        ),
        Exit::Code { code } => {
            let tail = tail(portal, job, attempt).await?;
            let (cause, card) = by_log(&tail, *code);
            (Some(cause), card)
        }
    })
}

async fn tail(portal: &Portal, job: &Job, attempt: &Attempt) -> Result<String> {
    let stream = StreamName::driver();
    let Some(row) = portal
        .store
        .find_log_stream(job.id, attempt.number, &stream)
        .await?
    else {
        return Ok(String::new());
    };
    let from = row.size.saturating_sub(TAIL);
    let mut text = Vec::new();
    while (from + text.len() as u64) < row.size {
        let piece = logs::bytes(
            portal,
            job.id,
            attempt.number,
            &stream,
            from + text.len() as u64,
            1 << 16,
        )
        .await?;
        if piece.is_empty() {
            break;
        }
        text.extend_from_slice(&piece);
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn by_log(tail: &str, code: i32) -> (Cause, Card) {
    for (regex, rule) in COMPILED.iter() {
        // The last line that shows it is nearest to the end.
        if let Some(found) = regex.find_iter(tail).last() {
            let start = tail[..found.start()].rfind('\n').map_or(0, |at| at + 1);
            let end = tail[found.end()..]
                .find('\n')
                .map_or(tail.len(), |at| found.end() + at);
            let line: String = tail[start..end].trim().chars().take(300).collect();
            let proof = vec![line, format!("exit code {code}")];
            return (
                rule.cause,
                card(rule.title, rule.what.into(), proof, rule.remedy),
            );
        }
    }
    let what =
        format!("It ended with exit code {code}. The log's end shows no sign that is known here.");
    (
        Cause::Program,
        card(
            "The program failed",
            what,
            vec![format!("exit code {code}")],
            "Read the end of the log.",
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_rules_compile() {
        assert_eq!(COMPILED.len(), RULES.len());
    }

    #[test]
    fn the_first_rule_wins_and_shows_its_line() {
        let log = "Traceback (most recent call last):\n  File \"x.py\", line 3\nZeroDivisionError: division by zero\nbye\n";
        let (cause, card) = by_log(log, 1);
        assert_eq!(cause, Cause::Program);
        assert_eq!(card.proof[0], "ZeroDivisionError: division by zero");
        let (cause, card) = by_log(
            "pyspark.errors.AnalysisException: [PATH_NOT_FOUND] Path does not exist: file:/x\n",
            1,
        );
        assert_eq!(
            (cause, card.title.as_str()),
            (Cause::UserInput, "An input was not found")
        );
        assert_eq!(by_log("", 3).1.proof, ["exit code 3"]);
    }
}
