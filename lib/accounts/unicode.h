#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "countersign/secret.h"

#include "sealing/aead.h"

/// Text as Unicode code points, and what PRECIS asks of them. utf8proc knows most of it; the small
/// rest is in unicode_tables.h.
namespace countersign::accounts {

/// As utf8proc has it. -1 where there is none.
using CodePoint = std::int32_t;

/// A text of limited length that may be a password: its memory is zeroed when it goes.
class CodePoints {
  public:
    explicit CodePoints(std::size_t capacity);
    /// No value unless `utf8` is UTF-8: no surrogates, no overlong forms, nothing cut short.
    static std::optional<CodePoints> decode(std::string_view utf8);

    std::span<const CodePoint> view() const noexcept { return {data(), size_}; }
    operator std::span<const CodePoint>() const noexcept { return view(); }
    std::size_t size() const noexcept { return size_; }

    /// There must be room.
    void push_back(CodePoint code_point);
    /// What is behind the last code point and may be written, then taken in with `grow`.
    std::span<CodePoint> room() noexcept;
    void grow(std::size_t count);
    /// Keeps the first `count` code points.
    void truncate(std::size_t count);
    std::span<CodePoint> writable() noexcept { return {data(), size_}; }

  private:
    CodePoint* data() noexcept;
    const CodePoint* data() const noexcept;

    sealing::PlainBytes bytes_;
    std::size_t size_ = 0;
};

/// How many bytes the text takes in UTF-8.
std::size_t utf8_size(std::span<const CodePoint> text);
std::string to_utf8(std::span<const CodePoint> text);
Secret to_secret(std::span<const CodePoint> text);

/// Normalisation form C (UAX #15).
CodePoints nfc(std::span<const CodePoint> text);
/// toLowercase of the Unicode Standard (section 3.13), with the unconditional mappings of
/// SpecialCasing.txt and its Final_Sigma; no language's own rules.
CodePoints lower_case(std::span<const CodePoint> text);
/// toCasefold: for comparison only.
CodePoints fold_case(std::span<const CodePoint> text);
/// The wide form of a half-width character and the common form of a full-width one, where PRECIS
/// allows what comes out; anything else stays as it is and is refused later for what it is.
CodePoint map_width(CodePoint code_point);

/// Whether NFKC changes a code point that NFC leaves alone.
bool has_compatibility_form(CodePoint code_point);
bool is_greek(CodePoint code_point);
bool is_hebrew(CodePoint code_point);
/// Hiragana, Katakana or Han.
bool is_kana_or_han(CodePoint code_point);
/// Canonical_Combining_Class=Virama.
bool is_virama(CodePoint code_point);
/// Joining_Type=Left_Joining or Dual_Joining.
bool joins_with_next(CodePoint code_point);
/// Joining_Type=Right_Joining or Dual_Joining.
bool joins_with_previous(CodePoint code_point);
/// Joining_Type=Transparent.
bool is_transparent(CodePoint code_point);

/// The version of Unicode that all this goes by, as "15.0.0". Nodes that differ in it may differ
/// on which names and passwords they take.
std::string_view unicode_version();

}  // namespace countersign::accounts
