//! Rules that give site roles and memberships for what identity providers say of people. Pure.
use super::{ids::ProjectId, names::ProviderName, project::Role};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Which of the claims a rule looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    #[default]
    Groups,
    Entitlements,
}

/// One rule: whom it fits, and what it gives. Exactly one of `equals`, `prefix` and `group`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Only for people of this provider; default of every one.
    pub provider: Option<ProviderName>,
    /// `groups` (default) or `entitlements`.
    #[serde(default)]
    pub claim: Source,
    /// The whole value.
    pub equals: Option<String>,
    /// How the value begins.
    pub prefix: Option<String>,
    /// A group as AARC-G069 writes it, `urn:NAMESPACE:group:NAME[:SUBGROUP…][:role=ROLE][#AUTHORITY]`. Without a role it
    /// fits members in any; without an authority, whoever says it. A subgroup is another group.
    pub group: Option<String>,
    /// Gives the rights of a site administrator.
    #[serde(default)]
    pub site_administrator: bool,
    /// Gives a role in this project.
    pub project: Option<ProjectId>,
    pub role: Option<Role>,
}

/// What somebody is given by all rules together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    pub site_administrator: bool,
    pub projects: BTreeMap<ProjectId, Role>,
}

/// What a provider says of somebody.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    pub provider: &'a ProviderName,
    pub groups: &'a [String],
    pub entitlements: &'a [String],
}

impl Rule {
    /// The value for which it fits somebody.
    pub fn fits<'a>(&self, said: Said<'a>) -> Option<&'a str> {
        if self
            .provider
            .as_ref()
            .is_some_and(|only| only != said.provider)
        {
            return None;
        }
        let values = match self.claim {
            Source::Groups => said.groups,
            Source::Entitlements => said.entitlements,
        };
        values
            .iter()
            .map(String::as_str)
            .find(|value| self.fits_value(value))
    }

    fn fits_value(&self, value: &str) -> bool {
        match (&self.equals, &self.prefix, &self.group) {
            (Some(whole), None, None) => value == whole,
            (None, Some(prefix), None) => !prefix.is_empty() && value.starts_with(prefix.as_str()),
            (None, None, Some(group)) => match (Group::parse(group), Group::parse(value)) {
                (Some(rule), Some(value)) => rule.fits(&value),
                _ => false,
            },
            _ => false,
        }
    }

    /// Everything that is wrong with it.
    pub fn problems(&self) -> Vec<&'static str> {
        let mut wrong = Vec::new();
        let ways = [&self.equals, &self.prefix, &self.group];
        let given: Vec<&String> = ways.into_iter().flatten().collect();
        if given.len() != 1 {
            wrong.push("give exactly one of equals, prefix and group");
        }
        if given.iter().any(|text| text.is_empty() || text.len() > 500) {
            wrong.push("equals, prefix and group have 1 to 500 bytes");
        }
        if self
            .group
            .as_deref()
            .is_some_and(|group| Group::parse(group).is_none())
        {
            wrong.push("group must be urn:NAMESPACE:group:NAME, as AARC-G069 writes it");
        }
        if self.project.is_some() != self.role.is_some() {
            wrong.push("project and role go together");
        }
        if self.project.is_none() && !self.site_administrator {
            wrong.push("it gives nothing: set project and role, or site_administrator");
        }
        wrong
    }
}

/// What somebody is given, and by which rules (their numbers, from 0) for which values.
pub fn grants<'a>(rules: &[Rule], all: &[Said<'a>]) -> (Grants, Vec<(usize, &'a str)>) {
    let mut given = Grants::default();
    let mut why = Vec::new();
    for (n, rule) in rules.iter().enumerate() {
        let Some(value) = all.iter().find_map(|said| rule.fits(*said)) else {
            continue;
        };
        why.push((n, value));
        given.site_administrator |= rule.site_administrator;
        if let (Some(project), Some(role)) = (rule.project, rule.role) {
            let best = given.projects.entry(project).or_insert(role);
            *best = (*best).max(role);
        }
    }
    (given, why)
}

/// A group of AARC-G069.
#[derive(Debug, PartialEq, Eq)]
struct Group {
    /// In lower case, as URNs compare.
    namespace: String,
    path: Vec<String>,
    role: Option<String>,
    authority: Option<String>,
}

impl Group {
    fn parse(text: &str) -> Option<Self> {
        let (text, authority) = match text.split_once('#') {
            Some((text, authority)) => (text, Some(authority.to_owned())),
            None => (text, None),
        };
        let parts: Vec<&str> = text.split(':').collect();
        let at = parts
            .iter()
            .position(|part| part.eq_ignore_ascii_case("group"))?;
        if at < 2 || !parts[0].eq_ignore_ascii_case("urn") {
            return None;
        }
        let mut path: Vec<String> = parts[at + 1..].iter().map(|part| decoded(part)).collect();
        let role = path
            .last()
            .and_then(|last| last.strip_prefix("role="))
            .map(str::to_owned);
        if role.is_some() {
            path.pop();
        }
        if path.is_empty() || path.iter().any(String::is_empty) {
            return None;
        }
        Some(Self {
            namespace: parts[..at].join(":").to_ascii_lowercase(),
            path,
            role,
            authority,
        })
    }

    /// Whether a rule for this group fits somebody in that one.
    fn fits(&self, other: &Self) -> bool {
        let unless_named =
            |wanted: &Option<String>, had: &Option<String>| wanted.is_none() || wanted == had;
        self.namespace == other.namespace
            && self.path == other.path
            && unless_named(&self.role, &other.role)
            && unless_named(&self.authority, &other.authority)
    }
}

/// Percent signs of URNs; what they cannot mean stays as it stands.
fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8()
        .map_or_else(|_| text.to_owned(), Into::into)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn fits(rule: &Rule, values: &[&str]) -> bool {
        let provider = ProviderName::parse("science").unwrap();
        let values: Vec<String> = values.iter().map(|v| (*v).to_owned()).collect();
        let said = Said {
            provider: &provider,
            groups: &values,
            entitlements: &[],
        };
        rule.fits(said).is_some()
    }

    #[test]
    fn whole_values_and_beginnings() {
        let equals = Rule {
            equals: Some("/biology".into()),
            ..Rule::default()
        };
        assert!(fits(&equals, &["/x", "/biology"]));
        assert!(!fits(&equals, &["/biology/genomics", "/Biology", ""]));
        let prefix = Rule {
            prefix: Some("/biology/".into()),
            ..Rule::default()
        };
        assert!(fits(&prefix, &["/biology/genomics"]));
        assert!(!fits(&prefix, &["/biology", "/biologyx"]));
        assert!(
            !fits(&Rule::default(), &["/biology"]),
            "a rule without a condition fits nobody"
        );
    }

    #[test]
    fn groups_as_aarc_g069_writes_them() {
        let rule = |group: &str| Rule {
            group: Some(group.into()),
            ..Rule::default()
        };
        let plain = "urn:geant:example.org:group:biology";
        for (wanted, had, expected) in [
            (plain, "urn:geant:example.org:group:biology", true),
            (
                plain,
                "URN:GEANT:example.org:group:biology#login.example.org",
                true,
            ),
            (
                plain,
                "urn:geant:example.org:group:biology:role=owner#x",
                true,
            ),
            (plain, "urn:geant:example.org:group:biology:genomics", false),
            (plain, "urn:geant:example.org:group:Biology", false),
            (plain, "urn:geant:evil.org:group:biology", false),
            (plain, "urn:geant:example.org:res:biology", false),
            (plain, "x-urn:geant:example.org:group:biology", false),
            (plain, "urn:geant:example.org:group:bio%6cogy", true),
            (
                "urn:geant:e.org:group:a:b:role=owner",
                "urn:geant:e.org:group:a:b:role=owner",
                true,
            ),
            (
                "urn:geant:e.org:group:a:b:role=owner",
                "urn:geant:e.org:group:a:b:role=member",
                false,
            ),
            (
                "urn:geant:e.org:group:a:b:role=owner",
                "urn:geant:e.org:group:a:b",
                false,
            ),
            (
                "urn:geant:e.org:group:a#one",
                "urn:geant:e.org:group:a#one",
                true,
            ),
            (
                "urn:geant:e.org:group:a#one",
                "urn:geant:e.org:group:a#two",
                false,
            ),
            (
                "urn:geant:e.org:group:a#one",
                "urn:geant:e.org:group:a",
                false,
            ),
        ] {
            assert_eq!(fits(&rule(wanted), &[had]), expected, "{wanted} and {had}");
        }
    }

    #[test]
    fn the_best_role_is_given_and_each_rule_says_why() {
        let (one, other) = (ProjectId::new(), ProjectId::new());
        let rule = |equals: &str, project, role| Rule {
            equals: Some(equals.into()),
            project: Some(project),
            role: Some(role),
            ..Rule::default()
        };
        let rules = [
            rule("/a", one, Role::Editor),
            rule("/b", one, Role::Observer),
            rule("/c", other, Role::Administrator),
            Rule {
                prefix: Some("/b".into()),
                site_administrator: true,
                ..Rule::default()
            },
        ];
        let provider = ProviderName::parse("science").unwrap();
        let groups = ["/a".to_owned(), "/b".to_owned()];
        let said = Said {
            provider: &provider,
            groups: &groups,
            entitlements: &[],
        };
        let (given, why) = grants(&rules, &[said]);
        assert!(given.site_administrator);
        assert_eq!(given.projects, BTreeMap::from([(one, Role::Editor)]));
        assert_eq!(why, [(0, "/a"), (1, "/b"), (3, "/b")]);
        let elsewhere = Rule {
            provider: ProviderName::parse("elsewhere").ok(),
            ..rule("/a", one, Role::Editor)
        };
        assert_eq!(grants(&[elsewhere], &[said]).0, Grants::default());
    }

    #[test]
    fn what_is_wrong_with_a_rule_is_said() {
        assert_eq!(Rule::default().problems().len(), 2);
        let odd = Rule {
            group: Some("biology".into()),
            equals: Some(String::new()),
            project: Some(ProjectId::new()),
            ..Rule::default()
        };
        assert_eq!(odd.problems().len(), 4, "{:?}", odd.problems());
        let good = Rule {
            group: Some("urn:geant:example.org:group:biology".into()),
            site_administrator: true,
            ..Rule::default()
        };
        assert!(good.problems().is_empty());
    }
}
