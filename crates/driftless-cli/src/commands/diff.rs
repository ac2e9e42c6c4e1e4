//! `conflict diff`: what two versions made of a text, stretch by stretch.

use driftless_control::api::{
    Conflict, ConflictShow, ConflictTexts, ConflictTextsReply, RegionKind, TextRegion,
};

use crate::failure::{Exit, Failure};
use crate::format::safe;
use crate::session::Session;

/// How many lines that nobody changed are shown around what somebody did.
const AROUND: usize = 2;

pub(super) async fn run(
    session: &Session,
    id: String,
    versions: Vec<String>,
) -> Result<(), Failure> {
    let client = session.connect().await?;
    let versions = <[String; 2]>::try_from(versions).ok().map(|[one, other]| (one, other));
    let texts = client.call(ConflictTexts { id: id.clone(), versions }).await?;
    if session.output.is_json() {
        return session.output.print_json(&texts);
    }
    let conflict = client.call(ConflictShow { id }).await?;
    if let Some(why) = &texts.not_text {
        let why = match why.as_str() {
            "too-large" => "it is too large to be compared",
            "not-here" => "a version of it is not on this device",
            "no-file" => "a version of it is no file",
            _ => "it is no text",
        };
        return Err(Failure::new(Exit::Failed, format!("{}: {why}", safe(&conflict.path))));
    }
    session.output.print_text(&describe(&conflict, &texts))
}

fn describe(conflict: &Conflict, texts: &ConflictTextsReply) -> String {
    let name = |version: &str| {
        let head = conflict.heads.iter().find(|head| head.version == version);
        head.map_or_else(|| safe(version), |head| safe(&head.device_name)).into_owned()
    };
    let (ours, theirs) = (name(&texts.versions.0), name(&texts.versions.1));
    let base = match &conflict.base {
        Some(base) if texts.base.is_some() => {
            format!("-  what both were made from, by {}", safe(&base.device_name))
        }
        _ if texts.base.is_some() => "-  what both were made from".to_owned(),
        _ => "what both were made from is not known here".to_owned(),
    };
    let place = format!("{}: {}", safe(&conflict.folder_label), safe(&conflict.path));
    let mut text = format!("{place}\n{base}\nA  {ours}\nB  {theirs}\n");
    let mut walk =
        Walk { base: lines(texts.base.as_deref().unwrap_or_default()), ..Walk::default() };
    (walk.ours, walk.theirs) = (lines(&texts.ours), lines(&texts.theirs));
    for region in &texts.regions {
        walk.region(region, (&ours, &theirs), &mut text);
    }
    if texts.merged.is_some() {
        text.push_str("\nnobody has to choose: the changes can be merged\n");
    }
    text
}

/// The three texts, and how far each has been shown.
#[derive(Default)]
struct Walk<'a> {
    base: Vec<&'a str>,
    ours: Vec<&'a str>,
    theirs: Vec<&'a str>,
    at: [usize; 3],
    /// Lines nobody changed, before what comes next.
    before: Vec<&'a str>,
    /// A change has been shown, so that what follows it is, too.
    begun: bool,
}

impl<'a> Walk<'a> {
    fn region(&mut self, region: &TextRegion, names: (&str, &str), text: &mut String) {
        let line = self.at[1] + 1;
        let [base, ours, theirs] = self.take(region);
        let title = match region.kind {
            RegionKind::Unchanged => {
                if self.begun {
                    push(text, ' ', &ours[..ours.len().min(AROUND)]);
                }
                let rest =
                    if self.begun { ours.get(AROUND..).unwrap_or_default() } else { &ours[..] };
                self.before = rest[rest.len().saturating_sub(AROUND)..].to_vec();
                return;
            }
            RegionKind::Ours => format!("{} changed", names.0),
            RegionKind::Theirs => format!("{} changed", names.1),
            RegionKind::Alike => "both changed alike".to_owned(),
            RegionKind::Conflict => "both changed, choose".to_owned(),
        };
        text.push_str(&format!("\n@ line {line}: {title}\n"));
        push(text, ' ', &std::mem::take(&mut self.before));
        push(text, '-', &base);
        match region.kind {
            RegionKind::Ours | RegionKind::Alike => push(text, '+', &ours),
            RegionKind::Theirs => push(text, '+', &theirs),
            _ => {
                push(text, 'A', &ours);
                push(text, 'B', &theirs);
            }
        }
        self.begun = true;
    }

    /// The lines of a region in each of the texts.
    fn take(&mut self, region: &TextRegion) -> [Vec<&'a str>; 3] {
        let counts = [region.base, region.ours, region.theirs];
        let texts = [&self.base, &self.ours, &self.theirs];
        let mut taken = [const { Vec::new() }; 3];
        for (((taken, all), at), count) in taken.iter_mut().zip(texts).zip(&mut self.at).zip(counts)
        {
            let lines = all.iter().skip(*at).take(count as usize);
            taken.extend(lines.copied());
            *at += count as usize;
        }
        taken
    }
}

fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

fn push(text: &mut String, mark: char, lines: &[&str]) {
    for line in lines {
        let line = line.trim_end_matches('\n').trim_end_matches('\r');
        text.push_str(&format!("{mark}  {}\n", safe(line)));
    }
}

#[cfg(test)]
mod tests {
    use driftless_control::api::{ConflictHead, EntryKind};

    use super::*;

    #[test]
    fn a_comparison_shows_what_each_changed_and_where_to_choose() {
        let head = |name: &str, version: &str| ConflictHead {
            device: String::new(),
            device_name: name.to_owned(),
            kind: EntryKind::File,
            size: 1,
            mtime_ms: 0,
            shown: false,
            deleted: false,
            content_here: true,
            content_path: None,
            version: version.to_owned(),
        };
        let conflict = Conflict {
            id: "1".into(),
            folder: "notes".into(),
            folder_label: "Notes".into(),
            path: "a.txt".into(),
            opened_at_ms: None,
            heads: vec![head("ada", "v1"), head("bob", "v2")],
            base: None,
        };
        let region = |kind, base, ours, theirs| TextRegion { kind, base, ours, theirs };
        let texts = ConflictTextsReply {
            versions: ("v1".into(), "v2".into()),
            base: Some("1\n2\n3\n4\n5\n6\n".into()),
            ours: "1\n2\n3\n4\nfive \u{1b}\n6\n".into(),
            theirs: "one\n2\n3\n4\nV\n6\n".into(),
            regions: vec![
                region(RegionKind::Theirs, 1, 1, 1),
                region(RegionKind::Unchanged, 3, 3, 3),
                region(RegionKind::Conflict, 1, 1, 1),
                region(RegionKind::Unchanged, 1, 1, 1),
            ],
            ..ConflictTextsReply::default()
        };
        let expected = "Notes: a.txt\n-  what both were made from\nA  ada\nB  bob\n\n\
            @ line 1: bob changed\n-  1\n+  one\n   2\n   3\n\n\
            @ line 5: both changed, choose\n   4\n-  5\nA  five \\u{1b}\nB  V\n   6\n";
        assert_eq!(describe(&conflict, &texts), expected);
    }
}
