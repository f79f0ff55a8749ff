//! Protocol buffers' wire format: the fields of one message, borrowed from its bytes.

use crate::buffer::{Failure, Kind, Outcome};

#[derive(Clone, Copy)]
pub enum Field<'a> {
    Varint(u64),
    Fixed32(u32),
    Bytes(&'a [u8]),
    /// Read and of no use here.
    Fixed64,
}

impl<'a> Field<'a> {
    pub fn bytes(self) -> Outcome<&'a [u8]> {
        match self {
            Field::Bytes(bytes) => Ok(bytes),
            _ => Err(broken("a field is no text")),
        }
    }

    pub fn text(self) -> Outcome<&'a str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| broken("a text is not UTF-8"))
    }

    pub fn flag(self) -> Outcome<bool> {
        Ok(self.number()? != 0)
    }

    /// An int32 or an enum; negative ones are written as 64 bits.
    pub fn number(self) -> Outcome<i32> {
        match self {
            Field::Varint(value) => Ok(value as i32),
            _ => Err(broken("a field is no number")),
        }
    }

    pub fn float(self) -> Outcome<f32> {
        match self {
            Field::Fixed32(bits) => Ok(f32::from_bits(bits)),
            _ => Err(broken("a field is no float")),
        }
    }
}

/// The fields of a message in order, each with its number.
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub fn of(message: &'a [u8]) -> Self {
        Fields { rest: message }
    }

    fn take(&mut self, count: usize) -> Outcome<&'a [u8]> {
        if count > self.rest.len() {
            return Err(broken("a field ends after the file"));
        }
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        Ok(taken)
    }

    fn varint(&mut self) -> Outcome<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(broken("a number is longer than 10 bytes"))
    }

    fn field(&mut self) -> Outcome<(u64, Field<'a>)> {
        let tag = self.varint()?;
        let field = match tag & 7 {
            0 => Field::Varint(self.varint()?),
            1 => {
                self.take(8)?;
                Field::Fixed64
            }
            2 => {
                let length = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
                Field::Bytes(self.take(length)?)
            }
            5 => {
                let bytes = self.take(4)?;
                Field::Fixed32(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
            }
            kind => return Err(broken(&format!("a field has wire type {kind}"))),
        };
        Ok((tag >> 3, field))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Outcome<(u64, Field<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

fn broken(what: &str) -> Failure {
    Failure::new(Kind::Corrupt, format!("not a SentencePiece model: {what}"))
}
