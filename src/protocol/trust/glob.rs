//! Globs of claim rules.
//!
//! `*` stands for any run of characters and `?` for any one, but neither for a colon. Subjects of CI platforms
//! and clusters are lists with colons between: `repo:acme/app:ref:refs/heads/main`,
//! `system:serviceaccount:prod:deployer`. A star that went across a colon would let whoever chooses one part
//! of the list, such as the name of an environment, forge the parts after it.

use std::collections::BTreeMap;

/// Longest pattern, in bytes.
const LONGEST: usize = 512;
/// Longest part of a pattern between two colons, in characters: one bit of a `u128` each, and one for the end.
const LONGEST_PART: usize = 127;

/// Whether a pattern can be used.
pub fn is_pattern(pattern: &str) -> bool {
    (1..=LONGEST).contains(&pattern.len()) && pattern.split(':').all(|part| part.chars().count() <= LONGEST_PART)
}

/// What every text begins with that a pattern matches.
pub fn literal_head(pattern: &str) -> &str {
    pattern.find(['*', '?']).and_then(|at| pattern.get(..at)).unwrap_or(pattern)
}

/// Whether a pattern matches the whole text, upper and lower case told apart. It takes time in proportion to
/// the text, whatever the pattern.
pub fn matches(pattern: &str, text: &str) -> bool {
    is_pattern(pattern)
        && pattern.matches(':').count() == text.matches(':').count()
        && pattern.split(':').zip(text.split(':')).all(|(pattern, text)| part_matches(pattern, text))
}

/// All places in the pattern where one may be are followed at once, a bit each: bit `i` is set when the first
/// `i` characters of the pattern have matched.
fn part_matches(pattern: &str, text: &str) -> bool {
    let (mut stars, mut anything) = (0u128, 0u128);
    let mut literal: BTreeMap<char, u128> = BTreeMap::new();
    let mut end = 1u128;
    let mut last = None;
    for c in pattern.chars() {
        match c {
            // Two stars are one.
            '*' if last == Some('*') => continue,
            '*' => stars |= end,
            '?' => anything |= end,
            _ => *literal.entry(c).or_default() |= end,
        }
        last = Some(c);
        end <<= 1;
    }
    let past_star = |places: u128| places | ((places & stars) << 1);
    let mut places = past_star(1);
    for c in text.chars() {
        let fits = anything | literal.get(&c).copied().unwrap_or_default();
        places = past_star(((places & fits) << 1) | (places & stars));
        if places == 0 {
            return false;
        }
    }
    places & end != 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the words above say, by trying everything.
    fn naive(pattern: &[char], text: &[char]) -> bool {
        match (pattern, text) {
            ([], []) => true,
            (['*', rest @ ..], _) => {
                naive(rest, text) || text.split_first().is_some_and(|(c, after)| *c != ':' && naive(pattern, after))
            }
            (['?', rest @ ..], [c, after @ ..]) => *c != ':' && naive(rest, after),
            ([p, rest @ ..], [c, after @ ..]) => p == c && naive(rest, after),
            _ => false,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1500))]

        #[test]
        fn is_what_the_naive_one_is(pattern in "[ab:*?\u{e9}]{1,10}", text in "[ab:*?\u{e9}]{0,12}") {
            let (p, t): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
            prop_assert_eq!(matches(&pattern, &text), naive(&p, &t));
        }

        /// Patterns made from the text, so that many match.
        #[test]
        fn is_what_the_naive_one_is_near_a_match(text in "[ab:]{0,12}", holes in prop::collection::vec((0..4usize, "[*?]{0,2}"), 0..12)) {
            let mut pattern = String::new();
            let mut rest = text.chars();
            for (skipped, wild) in holes {
                pattern.push_str(&wild);
                for _ in 0..skipped {
                    rest.next();
                }
                pattern.extend(rest.next());
            }
            pattern.extend(rest);
            let (p, t): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
            prop_assert_eq!(matches(&pattern, &text), !pattern.is_empty() && naive(&p, &t));
        }

        #[test]
        fn what_matches_begins_with_the_literal_head(pattern in "[ab:*?]{1,6}", text in "[ab:]{0,8}") {
            prop_assert!(!matches(&pattern, &text) || text.starts_with(literal_head(&pattern)));
        }
    }

    #[test]
    fn stars_stop_at_colons_and_patterns_are_anchored() {
        let main = "repo:acme/app:ref:refs/heads/main";
        for good in ["repo:acme/*:ref:refs/heads/main", "repo:acme/app:*:*", "repo:acme/ap?:ref:refs/heads/m*n", main] {
            assert!(matches(good, main), "{good}");
        }
        for bad in ["*", "repo:*", "repo:acme/app:*", "repo:acme/app", "acme/app:ref:refs/heads/main", "repo:ACME/app:*:*", ""] {
            assert!(!matches(bad, main), "{bad}");
        }
        assert_eq!(literal_head("repo:acme/*:?"), "repo:acme/");
        assert_eq!(literal_head("?"), "");
        assert_eq!(literal_head("plain"), "plain");
    }

    #[test]
    fn the_longest_and_the_slowest() {
        let longest = format!("{}:{}", "a".repeat(127), "*".repeat(127));
        assert!(matches(&longest, &format!("{}:", "a".repeat(127))));
        assert!(!is_pattern(&"a".repeat(128)) && !matches(&"a".repeat(128), &"a".repeat(128)));
        assert!(!is_pattern(&"a:".repeat(257)) && !is_pattern(""));
        // Where backtracking would take for ever.
        let slow = "*a".repeat(60) + "b";
        assert!(!matches(&slow, &"a".repeat(60_000)));
        assert!(matches(&slow, &("a".repeat(60_000) + "b")));
    }
}
