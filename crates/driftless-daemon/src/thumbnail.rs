//! Small pictures of images, made in a process of their own.
//!
//! Images come from other devices, and decoders are large. So the program runs
//! itself anew for each, as `driftless __thumbnail`, with the image as standard
//! input; the child takes on limits for memory and time before it reads a byte,
//! and whatever becomes of it, the daemon waits only so long. Any program that
//! runs or hosts the daemon has to begin with [`is_asked`] and [`make`].

use std::fs::File;
use std::io::{Cursor, Read as _, Write as _};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use image::{DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, Limits};
use rustix::process::{Resource, Rlimit};
use tokio::io::AsyncReadExt as _;
use tokio::sync::Semaphore;

/// The hidden command.
const COMMAND: &str = "__thumbnail";

/// The largest image file, in bytes.
pub(crate) const MAX_FILE_BYTES: u64 = 64 << 20;

/// The most pixels of an image on either side.
const MAX_SIDE: u32 = 30_000;

/// The most memory that a decoder may ask for, in bytes.
const MAX_DECODER_BYTES: u64 = 512 << 20;

/// The most address space of the child, in bytes.
const MAX_ADDRESS_BYTES: u64 = 1 << 30;

/// The most time that the child may compute, in seconds.
const MAX_CPU_S: u64 = 10;

/// How long the daemon waits for it.
const DEADLINE: Duration = Duration::from_secs(15);

/// How large a picture is at most, in pixels on either side.
const SIDE: u32 = 640;

/// The most that a child may answer, in bytes.
const MAX_ANSWER_BYTES: u64 = 4 << 20;

/// What a child ends with that found more pixels than it may decode.
const TOO_LARGE: u8 = 3;

/// The formats that are decoded.
const FORMATS: [ImageFormat; 5] =
    [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::WebP, ImageFormat::Bmp];

/// One child at a time.
static TURN: Semaphore = Semaphore::const_new(1);

/// A small picture of an image.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Thumbnail {
    /// A PNG file.
    pub(crate) png: Vec<u8>,
    /// The size of the image itself, in pixels.
    pub(crate) width: u32,
    /// Likewise.
    pub(crate) height: u32,
}

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ThumbnailError {
    #[error("the image is too large to be shown")]
    TooLarge,
    #[error("the image is damaged, or of a kind that is not shown")]
    Undecodable,
    #[error("the image takes too long to be shown")]
    TooSlow,
    #[error("the program that shows images cannot be run: {0}")]
    Program(#[from] std::io::Error),
}

/// Whether a file that begins so is an image that may be decoded.
pub(crate) fn is_image(beginning: &[u8]) -> bool {
    image::guess_format(beginning).is_ok_and(|format| FORMATS.contains(&format))
}

/// Makes a small picture of the image in `file`, from its beginning.
pub(crate) async fn of(file: File) -> Result<Thumbnail, ThumbnailError> {
    if file.metadata()?.len() > MAX_FILE_BYTES {
        return Err(ThumbnailError::TooLarge);
    }
    let _turn = TURN.acquire().await;
    // The very program that runs, also where another took its place on the disk.
    let mut child = tokio::process::Command::new("/proc/self/exe")
        .arg(COMMAND)
        .env_clear()
        .stdin(Stdio::from(file))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let answer = async {
        let mut bytes = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            stdout.take(MAX_ANSWER_BYTES).read_to_end(&mut bytes).await?;
        }
        Ok::<_, std::io::Error>((child.wait().await?, bytes))
    };
    let Ok(answer) = tokio::time::timeout(DEADLINE, answer).await else {
        return Err(ThumbnailError::TooSlow);
    };
    let (status, bytes) = answer?;
    match status.code() {
        Some(0) => read_answer(&bytes).ok_or(ThumbnailError::Undecodable),
        Some(code) if code == i32::from(TOO_LARGE) => Err(ThumbnailError::TooLarge),
        _ => Err(ThumbnailError::Undecodable),
    }
}

/// The width, the height, and a PNG file.
fn read_answer(bytes: &[u8]) -> Option<Thumbnail> {
    let (width, rest) = bytes.split_first_chunk()?;
    let (height, png) = rest.split_first_chunk()?;
    let (width, height) = (u32::from_be_bytes(*width), u32::from_be_bytes(*height));
    Some(Thumbnail { png: png.to_vec(), width, height })
}

/// Whether this process was started to make a picture, by the command line.
pub fn is_asked() -> bool {
    std::env::args_os().nth(1).is_some_and(|first| first == COMMAND)
}

/// Makes a picture of standard input on standard output, within limits that hold
/// for the rest of this process.
pub fn make() -> ExitCode {
    let limit = |resource, most| {
        rustix::process::setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })
    };
    let limited = limit(Resource::As, MAX_ADDRESS_BYTES)
        .and_then(|()| limit(Resource::Cpu, MAX_CPU_S))
        .and_then(|()| limit(Resource::Core, 0))
        .and_then(|()| limit(Resource::Fsize, 0));
    if limited.is_err() {
        return ExitCode::FAILURE;
    }
    let mut bytes = Vec::new();
    if std::io::stdin().lock().take(MAX_FILE_BYTES).read_to_end(&mut bytes).is_err() {
        return ExitCode::FAILURE;
    }
    match decode(&bytes) {
        Ok(picture) => match std::io::stdout().lock().write_all(&picture) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Err(image::ImageError::Limits(_)) => ExitCode::from(TOO_LARGE),
        Err(_) => ExitCode::FAILURE,
    }
}

/// What [`read_answer`] reads, of an image file.
fn decode(bytes: &[u8]) -> image::ImageResult<Vec<u8>> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_DECODER_BYTES);
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder()?;
    // What the image itself takes, before the decoder asks for it.
    limits.reserve(decoder.total_bytes())?;
    let orientation = decoder.orientation()?;
    let mut image = DynamicImage::from_decoder(decoder)?;
    image.apply_orientation(orientation);
    let (width, height) = (image.width(), image.height());
    if width > SIDE || height > SIDE {
        image = image.thumbnail(SIDE, SIDE);
    }
    let mut answer = [width.to_be_bytes(), height.to_be_bytes()].concat();
    let mut png = Cursor::new(Vec::new());
    DynamicImage::from(image.to_rgba8()).write_to(&mut png, ImageFormat::Png)?;
    answer.append(&mut png.into_inner());
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use image::{ImageFormat, RgbaImage};

    use super::*;

    fn file(format: ImageFormat, width: u32, height: u32) -> Vec<u8> {
        let pixels = RgbaImage::from_pixel(width, height, image::Rgba([9, 200, 30, 255]));
        let mut bytes = Cursor::new(Vec::new());
        DynamicImage::from(pixels).to_rgb8().write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn pictures_are_small_and_say_how_large_the_image_is() {
        for format in FORMATS {
            let bytes = file(format, 1280, 32);
            assert!(is_image(&bytes), "{format:?}");
            let small = read_answer(&decode(&bytes).unwrap()).unwrap();
            assert_eq!((small.width, small.height), (1280, 32));
            let picture = image::load_from_memory(&small.png).unwrap();
            assert_eq!((picture.width(), picture.height()), (640, 16), "{format:?}");
        }
        assert!(!is_image(b"<svg xmlns="));
    }

    #[test]
    fn what_claims_more_pixels_than_may_be_decoded_is_refused_before_it_is() {
        let mut bomb = file(ImageFormat::Png, 4, 4);
        bomb[16..20].copy_from_slice(&60_000_u32.to_be_bytes());
        bomb[20..24].copy_from_slice(&60_000_u32.to_be_bytes());
        // The header's sum has to fit, or it would be refused for that alone.
        let sum = crc(&bomb[12..29]);
        bomb[29..33].copy_from_slice(&sum.to_be_bytes());
        assert!(matches!(decode(&bomb), Err(image::ImageError::Limits(_))));
    }

    fn crc(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
            })
        })
    }
}
