//! A folder as one archive, the same bytes for the same content: its digest names the image.

use super::build::MAX_ARCHIVE;
use std::fs;
use std::path::{Path, PathBuf};

/// Most files of a folder.
const MOST_FILES: usize = 20_000;

/// Packs a folder with a Dockerfile.
///
/// # Errors
/// It cannot be read, has no Dockerfile, or is too large to be sent.
pub(crate) fn pack(folder: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    if !folder.join("Dockerfile").is_file() {
        return Err(format!("{} has no Dockerfile", folder.display()));
    }
    let mut files = Vec::new();
    let mut size = 0;
    walk(folder, Path::new(""), &mut files, &mut size).map_err(failed)?;
    if size > MAX_ARCHIVE {
        return Err(too_large(&folder.display().to_string()));
    }
    if files.len() > MOST_FILES {
        let name = folder.display();
        return Err(format!("{name} has more than {MOST_FILES} files"));
    }
    // The order of a folder's entries and the times of files say nothing about the content.
    files.sort();
    let mut archive = tar::Builder::new(Vec::new());
    archive.mode(tar::HeaderMode::Deterministic);
    archive.follow_symlinks(false);
    for file in files {
        let packed = archive.append_path_with_name(folder.join(&file), &file);
        packed.map_err(failed)?;
    }
    archive.into_inner().map_err(failed)
}

pub(super) fn too_large(name: &str) -> String {
    format!(
        "{name} is larger than {} MiB, which is the most that is built",
        MAX_ARCHIVE >> 20
    )
}

/// Collects files, links and folders below `at`, and the bytes that they take; stops collecting
/// once they are too many.
fn walk(root: &Path, at: &Path, files: &mut Vec<PathBuf>, size: &mut u64) -> std::io::Result<()> {
    for entry in fs::read_dir(root.join(at))? {
        let entry = entry?;
        let path = at.join(entry.file_name());
        let metadata = entry.metadata()?;
        if *size > MAX_ARCHIVE || files.len() > MOST_FILES {
            return Ok(());
        }
        if metadata.is_dir() {
            files.push(path.clone());
            walk(root, &path, files, size)?;
        } else if metadata.is_file() || metadata.is_symlink() {
            *size = size.saturating_add(metadata.len());
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_content_is_the_same_archive_and_another_is_another() {
        let root = std::env::temp_dir().join(format!("lb-pack-{}", std::process::id()));
        let make = |name: &str, first: &str, second: &str| {
            let folder = root.join(name);
            fs::create_dir_all(folder.join("app")).expect("is made");
            // In another order: what a folder lists first must not matter.
            fs::write(folder.join(first), "FROM scratch\n").expect("is written");
            fs::write(folder.join(second), "x").expect("is written");
            folder
        };
        let one = pack(&make("one", "Dockerfile", "app/a")).expect("is packed");
        let two = make("two", "Dockerfile", "app/a");
        assert_eq!(pack(&two).expect("is packed"), one);
        fs::write(two.join("app/a"), "y").expect("is written");
        assert_ne!(pack(&two).expect("is packed"), one);
        fs::remove_file(two.join("Dockerfile")).expect("is removed");
        let why = pack(&two).expect_err("no Dockerfile");
        assert!(why.ends_with("has no Dockerfile"), "{why}");
        fs::remove_dir_all(&root).expect("is removed");
    }
}
