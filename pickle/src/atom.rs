//! Owns the opcodes that make an object out of the bytes behind them alone.

use crate::input::Input;
use crate::objects::Object;
use crate::opcode::Opcode;
use crate::refusal::Refusal;
use crate::text_line;
use crate::value::{MAX_DIGITS, is_too_long};
use num_bigint::BigInt;

/// The object of `opcode`, whose byte has been read.
pub(crate) fn read<'a>(opcode: Opcode, input: &mut Input<'a>) -> Result<Object<'a>, Refusal> {
    match opcode {
        Opcode::None => Ok(Object::Null),
        Opcode::True => Ok(Object::Bool(true)),
        Opcode::False => Ok(Object::Bool(false)),
        Opcode::BinInt => Ok(Object::Int(i32::from_le_bytes(input.array()?).into())),
        Opcode::BinInt1 => Ok(Object::Int(input.byte()?.into())),
        Opcode::BinInt2 => Ok(Object::Int(u16::from_le_bytes(input.array()?).into())),
        Opcode::Long1 | Opcode::Long4 => long(opcode, input),
        Opcode::IntText | Opcode::LongText => int_text(opcode, input),
        Opcode::BinFloat => Ok(Object::Float(f64::from_be_bytes(input.array()?))),
        Opcode::FloatText => float_text(input),
        Opcode::StringText | Opcode::UnicodeText => text_line(opcode, input),
        Opcode::BinString
        | Opcode::ShortBinString
        | Opcode::BinUnicode
        | Opcode::ShortBinUnicode
        | Opcode::BinUnicode8 => text(opcode, input),
        Opcode::BinBytes | Opcode::ShortBinBytes | Opcode::BinBytes8 => {
            Ok(Object::Bytes(sized(opcode, input)?))
        }
        _ => Err(input.refuse("no opcode")),
    }
}

fn long(opcode: Opcode, input: &mut Input<'_>) -> Result<Object<'static>, Refusal> {
    let bytes = sized(opcode, input)?;
    // The length comes first: making a number of a megabyte is work for nothing.
    if bytes.len() > MAX_DIGITS / 2 {
        return Err(Refusal::TooLong);
    }
    integer(BigInt::from_signed_bytes_le(bytes))
}

fn int_text(opcode: Opcode, input: &mut Input<'_>) -> Result<Object<'static>, Refusal> {
    let line = input.line()?;
    match (opcode, line) {
        (Opcode::IntText, b"00") => return Ok(Object::Bool(false)),
        (Opcode::IntText, b"01") => return Ok(Object::Bool(true)),
        _ => {}
    }
    let digits = line.strip_suffix(b"L").unwrap_or(line);
    if digits.len() > MAX_DIGITS + 1 {
        return Err(Refusal::TooLong);
    }
    let number = BigInt::parse_bytes(digits, 10);
    integer(number.ok_or_else(|| input.refuse("no integer"))?)
}

fn integer(value: BigInt) -> Result<Object<'static>, Refusal> {
    if is_too_long(&value) {
        return Err(Refusal::TooLong);
    }
    let small = i64::try_from(&value);
    Ok(small.map_or_else(|_| Object::Big(Box::new(value)), Object::Int))
}

fn float_text(input: &mut Input<'_>) -> Result<Object<'static>, Refusal> {
    let text = std::str::from_utf8(input.line()?).ok().map(str::trim);
    let float = text.and_then(|text| text.parse().ok());
    let float = float.ok_or_else(|| input.refuse("no float"))?;
    Ok(Object::Float(float))
}

/// Text with its length before it.
fn text<'a>(opcode: Opcode, input: &mut Input<'a>) -> Result<Object<'a>, Refusal> {
    let bytes = sized(opcode, input)?;
    let text = std::str::from_utf8(bytes)
        .map_err(|_| input.refuse("text is not UTF-8, or has half of a surrogate pair"))?;
    if matches!(opcode, Opcode::BinString | Opcode::ShortBinString) && !text.is_ascii() {
        return Err(input.refuse("a string of Python 2 is not ASCII"));
    }
    Ok(Object::Text(text))
}

/// Text up to the end of the line: protocol 0.
fn text_line(opcode: Opcode, input: &mut Input<'_>) -> Result<Object<'static>, Refusal> {
    let line = input.line()?;
    let text = match opcode {
        Opcode::UnicodeText => text_line::raw_unicode(line),
        _ => text_line::quoted(line),
    };
    let text = text.ok_or_else(|| input.refuse("no text"))?;
    Ok(Object::OwnText(text.into()))
}

/// The bytes behind their length.
fn sized<'a>(opcode: Opcode, input: &mut Input<'a>) -> Result<&'a [u8], Refusal> {
    let len = match opcode {
        Opcode::Long1
        | Opcode::ShortBinString
        | Opcode::ShortBinUnicode
        | Opcode::ShortBinBytes => input.byte()?.into(),
        Opcode::BinUnicode8 | Opcode::BinBytes8 => u64::from_le_bytes(input.array()?),
        _ => u32::from_le_bytes(input.array()?).into(),
    };
    let len = usize::try_from(len).map_err(|_| input.refuse("cut short"))?;
    input.take(len)
}
