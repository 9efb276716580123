//! What is wrong with an input: every problem at once, by field, in the order of the form.
use serde::Serialize;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Violation {
    /// A JSON pointer into what was sent; the form's input has the same name.
    pub field: String,
    /// What is wrong and what would be right.
    pub message: String,
    /// What was given, cut at 200 characters; absent where a field was missing or its value is secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(transparent)]
pub struct Violations(Vec<Violation>);

impl Violations {
    pub fn one(field: &str, message: impl Into<String>, value: Option<&str>) -> Self {
        let mut all = Self::default();
        all.add(field, message, value);
        all
    }

    pub fn add(&mut self, field: &str, message: impl Into<String>, value: Option<&str>) {
        self.0.push(Violation {
            field: field.to_owned(),
            message: message.into(),
            value: value.map(|text| text.chars().take(200).collect()),
        });
    }

    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// The messages for one field.
    pub fn on(&self, field: &str) -> Vec<&str> {
        self.iter()
            .filter(|v| v.field == field)
            .map(|v| v.message.as_str())
            .collect()
    }

    /// The messages for a field and everything below it, such as `/spark_conf` and `/spark_conf/spark.master`.
    pub fn under(&self, field: &str) -> Vec<&str> {
        self.iter()
            .filter(|v| {
                v.field
                    .strip_prefix(field)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
            .map(|v| v.message.as_str())
            .collect()
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Violation> {
        self.0.iter()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn into_result<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() {
            Ok(value)
        } else {
            Err(self)
        }
    }

    /// Orders the problems; those with the same key stay as they were found.
    pub fn sort_by_key<K: Ord>(&mut self, key: impl FnMut(&Violation) -> K) {
        self.0.sort_by_key(key);
    }
}

impl<'a> IntoIterator for &'a Violations {
    type Item = &'a Violation;
    type IntoIter = std::slice::Iter<'a, Violation>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
