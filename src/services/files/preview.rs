//! What a page can show of a file without sending it: the beginning of a text, or that it is a picture.
use crate::{
    domain::{
        access::{Action, Actor},
        ids::ProjectId,
        names::FilePath,
    },
    services::{Portal, Result},
    storage::{ObjectInfo, keys},
};

/// What a page can show of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Preview {
    /// Its beginning, and whether there is more.
    Text {
        text: String,
        cut: bool,
    },
    Picture,
    /// Neither text nor a picture that is safe to show.
    Nothing,
}

/// How much text a preview shows, in bytes.
const PREVIEW: usize = 64 << 10;

pub async fn preview(
    portal: &Portal,
    actor: &Actor,
    project: ProjectId,
    path: &FilePath,
) -> Result<(ObjectInfo, Preview)> {
    portal.open_project(actor, project, Action::See).await?;
    let key = keys::project_file(project, path);
    let info = portal.storage.head(&key).await?;
    let head = portal.storage.read(&key, 0, PREVIEW).await?;
    Ok((
        info.clone(),
        preview_of(&head, info.size > head.len() as u64),
    ))
}

fn preview_of(head: &[u8], cut: bool) -> Preview {
    let picture = head.starts_with(b"\x89PNG\r\n\x1a\n")
        || head.starts_with(b"\xff\xd8\xff")
        || head.starts_with(b"GIF8")
        || (head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP"));
    if picture {
        return Preview::Picture;
    }
    let whole = match std::str::from_utf8(head) {
        Ok(text) => text,
        // The cut may go through a character.
        Err(error) if cut && error.error_len().is_none() => {
            std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return Preview::Nothing,
    };
    if whole
        .contains(|c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\x0c' | '\x1b'))
    {
        return Preview::Nothing;
    }
    Preview::Text {
        text: whole.to_owned(),
        cut,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_safe_pictures_are_shown() {
        let text = |text: &str, cut| Preview::Text {
            text: text.into(),
            cut,
        };
        assert_eq!(
            preview_of("a\tü\r\n".as_bytes(), false),
            text("a\tü\r\n", false)
        );
        assert_eq!(preview_of(&"aü".as_bytes()[..2], true), text("a", true));
        assert_eq!(preview_of(&"aü".as_bytes()[..2], false), Preview::Nothing);
        assert_eq!(preview_of(b"", false), text("", false));
        assert_eq!(preview_of(b"a\0b", false), Preview::Nothing);
        assert_eq!(
            preview_of(b"\x89PNG\r\n\x1a\n....", false),
            Preview::Picture
        );
        assert_eq!(preview_of(b"RIFF....WEBPVP8", false), Preview::Picture);
        assert_eq!(preview_of(b"<svg xmlns=", true), text("<svg xmlns=", true));
    }
}
