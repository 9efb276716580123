//! The inputs of a job in the form's order: what kind of value each takes, whatever the site's rules say beside.

/// What an input's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// One line.
    Text,
    /// A whole number; no rule may go beyond these.
    Whole {
        least: i64,
        most: i64,
    },
    Memory,
    /// There or not; in JSON an object with inputs of its own.
    Switch,
    /// A text per line.
    Lines,
    /// `key=value` per line.
    Pairs,
}

#[derive(Debug)]
pub(super) struct Field {
    /// Its JSON pointer, which is also the name of the form's input.
    pub pointer: &'static str,
    pub label: &'static str,
    pub kind: Kind,
    /// A job cannot be without it.
    pub needed: bool,
    /// What to give, for a message that it is missing.
    pub such_as: &'static str,
}

/// What a text may have where the rules do not say.
pub(super) const MAX_LENGTH: usize = 1000;
/// Lines or entries where the rules do not say.
pub(super) const MAX_COUNT: usize = 100;

const fn field(pointer: &'static str, label: &'static str, kind: Kind) -> Field {
    Field {
        pointer,
        label,
        kind,
        needed: false,
        such_as: "",
    }
}

const fn needed(
    pointer: &'static str,
    label: &'static str,
    kind: Kind,
    such_as: &'static str,
) -> Field {
    Field {
        pointer,
        label,
        kind,
        needed: true,
        such_as,
    }
}

const CORES: Kind = Kind::Whole {
    least: 1,
    most: 1024,
};
const EXECUTORS: Kind = Kind::Whole {
    least: 1,
    most: 100_000,
};
const MAYBE_EXECUTORS: Kind = Kind::Whole {
    least: 0,
    most: 100_000,
};
const MEMORY: &str = "a whole number and a unit, such as `1g`";
const NUMBER: &str = "a whole number";

pub(super) const INPUTS: &[Field] = &[
    needed(
        "/name",
        "Name",
        Kind::Text,
        "a line of text, such as `word-count`",
    ),
    needed("/type", "Type", Kind::Text, "a language"),
    needed("/spark_version", "Spark version", Kind::Text, "a version"),
    needed(
        "/main_file",
        "Main file",
        Kind::Text,
        "a path in the project, such as `code/wordcount.py`",
    ),
    Field {
        such_as: "the class whose main method runs, such as `org.example.WordCount`",
        ..field("/main_class", "Main class", Kind::Text)
    },
    field("/arguments", "Arguments", Kind::Lines),
    needed("/queue", "Queue", Kind::Text, "a queue's name"),
    field("/cluster", "Cluster", Kind::Text),
    needed(
        "/priority",
        "Priority",
        Kind::Whole {
            least: -1000,
            most: 1000,
        },
        NUMBER,
    ),
    needed("/driver/cores", "Driver cores", CORES, NUMBER),
    needed("/driver/memory", "Driver memory", Kind::Memory, MEMORY),
    field(
        "/driver/memory_overhead",
        "Driver memory overhead",
        Kind::Memory,
    ),
    needed("/executor/cores", "Cores of each executor", CORES, NUMBER),
    needed(
        "/executor/memory",
        "Memory of each executor",
        Kind::Memory,
        MEMORY,
    ),
    field(
        "/executor/memory_overhead",
        "Memory overhead of each executor",
        Kind::Memory,
    ),
    needed("/executor/instances", "Executors", EXECUTORS, NUMBER),
    field("/dynamic_allocation", "Dynamic allocation", Kind::Switch),
    needed(
        "/dynamic_allocation/min_executors",
        "Fewest executors",
        MAYBE_EXECUTORS,
        NUMBER,
    ),
    needed(
        "/dynamic_allocation/max_executors",
        "Most executors",
        EXECUTORS,
        NUMBER,
    ),
    field(
        "/dynamic_allocation/initial_executors",
        "Executors at the start",
        MAYBE_EXECUTORS,
    ),
    field("/spark_conf", "Spark configuration", Kind::Pairs),
    field("/env", "Environment", Kind::Pairs),
    field("/py_files", "Python files", Kind::Lines),
    field("/jars", "Jars", Kind::Lines),
    field("/packages", "Packages", Kind::Lines),
    field("/image", "Image", Kind::Text),
    needed(
        "/max_run_seconds",
        "Longest run",
        Kind::Whole {
            least: 1,
            most: 366 * 24 * 3600,
        },
        NUMBER,
    ),
    needed(
        "/max_attempts",
        "Attempts",
        Kind::Whole {
            least: 1,
            most: 100,
        },
        NUMBER,
    ),
    field("/labels", "Labels", Kind::Pairs),
];

pub(super) fn find(pointer: &str) -> Option<&'static Field> {
    INPUTS.iter().find(|field| field.pointer == pointer)
}

/// Whether inputs lie below it, as below `/driver`.
pub(super) fn is_group(pointer: &str) -> bool {
    matches!(pointer, "/driver" | "/executor" | "/dynamic_allocation")
}

/// A field's place in the form: its input's, or that of the list or map that it is an entry of; what is unknown comes last.
pub(super) fn rank(pointer: &str) -> usize {
    let place = |wanted: &dyn Fn(&Field) -> bool| INPUTS.iter().position(wanted);
    if pointer.is_empty() {
        return 0;
    }
    place(&|field| field.pointer == pointer)
        .or_else(|| {
            place(&|field| {
                matches!(field.kind, Kind::Lines | Kind::Pairs)
                    && pointer
                        .strip_prefix(field.pointer)
                        .is_some_and(|rest| rest.starts_with('/'))
            })
        })
        .or_else(|| {
            is_group(pointer)
                .then(|| place(&|field| field.pointer.starts_with(pointer)))
                .flatten()
        })
        .unwrap_or(INPUTS.len())
}

/// The pointer of an entry.
pub(super) fn below(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}
