//! The header of the ledger.

use super::{manifest::Manifest, record::part};

/// Size of the header, in bytes.
pub(super) const HEADER_BYTES: usize = 4096;
/// First bytes of the file.
const MAGIC: &[u8; 8] = b"MER-BAT\n";
/// Version of the format.
const VERSION: u32 = 1;
/// Place of the process that has locked the ledger.
pub(super) const PID_AT: usize = 20;
/// Places of the two slots.
const SLOTS_AT: [usize; 2] = [64, 128];
/// Size of a slot: number 8, records 8, boot 16, CRC-32 4.
const SLOT_BYTES: usize = 36;
/// Place of the manifest.
const MANIFEST_AT: usize = 512;

/// Says how many records were synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    /// Number of the slot; the newer one has the greater number.
    pub(super) number: u64,
    /// Number of synced records.
    pub(super) records: u64,
    /// The boot in which the records after them were written.
    pub(super) boot: [u8; 16],
}

impl Slot {
    /// Place of the slot in the file.
    pub(super) const fn at(&self) -> usize {
        SLOTS_AT[if self.number.is_multiple_of(2) { 0 } else { 1 }]
    }

    /// Returns the slot as bytes.
    pub(super) fn encode(&self) -> [u8; SLOT_BYTES] {
        let mut bytes = [0; SLOT_BYTES];
        bytes[..8].copy_from_slice(&self.number.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.records.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.boot);
        let crc = crc32fast::hash(&bytes[..32]);
        bytes[32..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let found = Self {
            number: u64::from_le_bytes(part(bytes, 0)),
            records: u64::from_le_bytes(part(bytes, 8)),
            boot: part(bytes, 16),
        };
        (found.number > 0 && crc32fast::hash(&bytes[..32]).to_le_bytes() == bytes[32..SLOT_BYTES]).then_some(found)
    }
}

/// Why a header cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BadHeader {
    /// A newer MER wrote it, in this version of the format.
    Newer(u32),
    /// It is damaged, or no header.
    Damaged(String),
}

/// What a header says: the manifest, and the slots, the newest first.
pub(super) fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<(Manifest, Vec<Slot>), BadHeader> {
    let damaged = |what: &str| BadHeader::Damaged(what.to_owned());
    if !bytes.starts_with(MAGIC) {
        return Err(damaged("it does not begin like a ledger"));
    }
    let version = u32::from_le_bytes(part(bytes, 8));
    if version > VERSION {
        return Err(BadHeader::Newer(version));
    }
    let length = u32::from_le_bytes(part(bytes, 12)) as usize;
    let text = bytes.get(MANIFEST_AT..MANIFEST_AT + length).filter(|text| {
        let crc: [u8; 4] = part(bytes, 16);
        crc == crc32fast::hash(text).to_le_bytes()
    });
    let manifest = text.and_then(|text| serde_json::from_slice(text).ok());
    let manifest = manifest.ok_or_else(|| damaged("its manifest is not the one that was written"))?;
    let slots = SLOTS_AT.map(|at| Slot::decode(&bytes[at..at + SLOT_BYTES]));
    let mut slots: Vec<Slot> = slots.into_iter().flatten().collect();
    slots.sort_by_key(|slot| std::cmp::Reverse(slot.number));
    if slots.is_empty() {
        Err(damaged("it does not say how many of its records were synced"))
    } else {
        Ok((manifest, slots))
    }
}

/// Returns a header as bytes, with one slot.
pub(super) fn encode(manifest: &Manifest, slot: &Slot) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    let text = serde_json::to_vec(manifest).unwrap_or_default();
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    let length = u32::try_from(text.len()).unwrap_or_default();
    bytes[12..16].copy_from_slice(&length.to_le_bytes());
    bytes[16..20].copy_from_slice(&crc32fast::hash(&text).to_le_bytes());
    bytes[PID_AT..PID_AT + 4].copy_from_slice(&std::process::id().to_le_bytes());
    let at = slot.at();
    bytes[at..at + SLOT_BYTES].copy_from_slice(&slot.encode());
    // Texts are bounded, so that the manifest fits.
    let end = (MANIFEST_AT + text.len()).min(HEADER_BYTES);
    bytes[MANIFEST_AT..end].copy_from_slice(&text[..end - MANIFEST_AT]);
    bytes
}
