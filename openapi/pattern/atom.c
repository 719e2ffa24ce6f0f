/*
 * Single characters of a regular expression: reading the source, writing the translation, escapes,
 * classes and properties.
 */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "atom.h"
#include "base/ascii.h"
#include "base/utf8.h"

#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    OUT_BYTES_START = 256,
    NUMBER_MAX = 1000 * 1000 * 1000,
    POINT_MAX = 0x10ffff,
    NAME_BYTES_MAX = 40, /* of a property */
    PROPERTY_BYTES = 64  /* of its translation */
};

/*
 * The white space and line terminators of \s, inside of a class. What \S, \D and \W are there is
 * spelled out, too: PCRE2 10.42 forgets their characters from U+0100 in "[^\p{Lu}\W]".
 */
#define SPACE                                                                                      \
    "\\x{9}-\\x{d}\\x{20}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}"  \
    "\\x{3000}\\x{feff}"
#define NOT_SPACE                                                                                  \
    "\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}"               \
    "\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}"                 \
    "\\x{3001}-\\x{fefe}\\x{ff00}-\\x{10ffff}"
#define NOT_DIGIT "\\x{0}-\\x{2f}\\x{3a}-\\x{10ffff}"
#define NOT_WORD "\\x{0}-\\x{2f}\\x{3a}-\\x{40}\\x{5b}-\\x{5e}\\x{60}\\x{7b}-\\x{10ffff}"

bool atom_fail(struct parser *parser, const char *at, const char *reason) {
    if (parser->reason == NULL) {
        parser->reason = reason;
        parser->at = at;
    }
    return false;
}

bool atom_put(struct parser *parser, const char *text) {
    size_t len = strlen(text);

    if (len >= parser->out_bytes - parser->out_len) {
        size_t bytes = 2 * parser->out_bytes + len + OUT_BYTES_START;
        char *bigger = realloc(parser->out, bytes);

        if (bigger == NULL) {
            return atom_fail(parser, parser->pos, "out of memory");
        }
        parser->out = bigger;
        parser->out_bytes = bytes;
    }
    memcpy(parser->out + parser->out_len, text, len + 1);
    parser->out_len += len;
    return true;
}

bool atom_put_point(struct parser *parser, uint32_t point) {
    bool plain = point < 128 && ascii_is_alnum((char)point);
    char text[16];

    snprintf(text, sizeof(text), plain ? "%c" : "\\x{%x}", point);
    return atom_put(parser, text);
}

bool atom_put_number(struct parser *parser, const char *before, unsigned number,
                     const char *after) {
    char text[16];

    snprintf(text, sizeof(text), "%u", number);
    return atom_put(parser, before) && atom_put(parser, text) && atom_put(parser, after);
}

bool atom_take(struct parser *parser, char c) {
    if (parser->pos == parser->end || *parser->pos != c) {
        return false;
    }
    parser->pos++;
    return true;
}

bool atom_is_digit_next(const struct parser *parser) {
    return parser->pos < parser->end && ascii_is_digit(*parser->pos);
}

unsigned atom_take_number(struct parser *parser) {
    unsigned n = 0;

    for (; atom_is_digit_next(parser); parser->pos++) {
        n = n < NUMBER_MAX ? n * 10 + (unsigned)(*parser->pos - '0') : NUMBER_MAX;
    }
    return n < NUMBER_MAX ? n : NUMBER_MAX;
}

/* ---- escapes ---- */

/* Exactly `digits` hexadecimal digits, or nothing is taken. */
static bool take_hex(struct parser *parser, int digits, uint32_t *ret_value) {
    uint32_t value = 0;

    if (parser->end - parser->pos < digits) {
        return false;
    }
    for (int i = 0; i < digits; i++) {
        int digit = ascii_hex_value(parser->pos[i]);

        if (digit < 0) {
            return false;
        }
        value = value << 4 | (uint32_t)digit;
    }
    parser->pos += digits;
    *ret_value = value;
    return true;
}

/* "{1f600}", with pos at the '{'. */
static bool take_braced_hex(struct parser *parser, uint32_t *ret_value) {
    const char *s = parser->pos + 1;
    uint32_t value = 0;

    while (s < parser->end && ascii_hex_value(*s) >= 0) {
        value = value << 4 | (uint32_t)ascii_hex_value(*s++);
        if (value > POINT_MAX) {
            return atom_fail(parser, parser->pos, "there is no such character");
        }
    }
    if (s == parser->pos + 1 || s == parser->end || *s != '}') {
        return false;
    }
    parser->pos = s + 1;
    *ret_value = value;
    return true;
}

/* Behind "\u"; a pair of surrogates, each escaped, is one character. */
static bool take_unicode(struct parser *parser, uint32_t *ret_point) {
    const char *after;
    uint32_t low;

    if (parser->pos < parser->end && *parser->pos == '{') {
        return take_braced_hex(parser, ret_point);
    }
    if (!take_hex(parser, 4, ret_point)) {
        return false;
    }
    after = parser->pos;
    if (*ret_point >= 0xd800 && *ret_point < 0xdc00 && atom_take(parser, '\\') &&
        atom_take(parser, 'u') && take_hex(parser, 4, &low) && low >= 0xdc00 && low < 0xe000) {
        *ret_point = 0x10000 + ((*ret_point - 0xd800) << 10) + (low - 0xdc00);
    } else {
        parser->pos = after;
    }
    return true;
}

static bool take_control_letter(struct parser *parser, uint32_t *ret_point) {
    char c = parser->pos < parser->end ? *parser->pos : '\0';

    if (!ascii_is_letter(c)) {
        return false;
    }
    parser->pos++;
    *ret_point = (uint32_t)c & 31U;
    return true;
}

static bool take_zero(struct parser *parser, uint32_t *ret_point) {
    *ret_point = 0;
    return !atom_is_digit_next(parser);
}

bool atom_escape(struct parser *parser, uint32_t *ret_point) {
    static const char controls[] = "f\fn\nr\rt\tv\v";
    const char *start = parser->pos;
    bool good = false;
    char c;

    if (start == parser->end) {
        return false;
    }
    c = *parser->pos++;
    switch (c) {
    case '\0': break;
    case 'c': good = take_control_letter(parser, ret_point); break;
    case 'x': good = take_hex(parser, 2, ret_point); break;
    case 'u': good = take_unicode(parser, ret_point); break;
    case '0': good = take_zero(parser, ret_point); break;
    case 'f':
    case 'n':
    case 'r':
    case 't':
    case 'v':
        *ret_point = (uint32_t)strchr(controls, c)[1];
        good = true;
        break;
    default: *ret_point = (uint32_t)c; good = strchr("^$\\.*+?()[]{}|/", c) != NULL;
    }
    if (!good) {
        parser->pos = start;
    }
    return good;
}

/* ---- properties: their names in the tables of ECMA-262, 22.2.1, and what PCRE2 calls them ---- */

static const char *const categories[][3] = {
    { "L", "Letter", "L" },
    { "LC", "Cased_Letter", "L&" },
    { "Lu", "Uppercase_Letter", "Lu" },
    { "Ll", "Lowercase_Letter", "Ll" },
    { "Lt", "Titlecase_Letter", "Lt" },
    { "Lm", "Modifier_Letter", "Lm" },
    { "Lo", "Other_Letter", "Lo" },
    { "M", "Mark", "M" },
    { "M", "Combining_Mark", "M" },
    { "Mn", "Nonspacing_Mark", "Mn" },
    { "Mc", "Spacing_Mark", "Mc" },
    { "Me", "Enclosing_Mark", "Me" },
    { "N", "Number", "N" },
    { "Nd", "Decimal_Number", "Nd" },
    { "Nd", "digit", "Nd" },
    { "Nl", "Letter_Number", "Nl" },
    { "No", "Other_Number", "No" },
    { "P", "Punctuation", "P" },
    { "P", "punct", "P" },
    { "Pc", "Connector_Punctuation", "Pc" },
    { "Pd", "Dash_Punctuation", "Pd" },
    { "Ps", "Open_Punctuation", "Ps" },
    { "Pe", "Close_Punctuation", "Pe" },
    { "Pi", "Initial_Punctuation", "Pi" },
    { "Pf", "Final_Punctuation", "Pf" },
    { "Po", "Other_Punctuation", "Po" },
    { "S", "Symbol", "S" },
    { "Sm", "Math_Symbol", "Sm" },
    { "Sc", "Currency_Symbol", "Sc" },
    { "Sk", "Modifier_Symbol", "Sk" },
    { "So", "Other_Symbol", "So" },
    { "Z", "Separator", "Z" },
    { "Zs", "Space_Separator", "Zs" },
    { "Zl", "Line_Separator", "Zl" },
    { "Zp", "Paragraph_Separator", "Zp" },
    { "C", "Other", "C" },
    { "Cc", "Control", "Cc" },
    { "Cc", "cntrl", "Cc" },
    { "Cf", "Format", "Cf" },
    { "Cs", "Surrogate", "Cs" },
    { "Co", "Private_Use", "Co" },
    { "Cn", "Unassigned", "Cn" },
};

/* PCRE2 knows them by the long name, but the last one. */
static const char *const properties[][2] = {
    { "ASCII", "ASCII" },
    { "AHex", "ASCII_Hex_Digit" },
    { "Alpha", "Alphabetic" },
    { "Any", "Any" },
    { "Bidi_C", "Bidi_Control" },
    { "Bidi_M", "Bidi_Mirrored" },
    { "CI", "Case_Ignorable" },
    { "Cased", "Cased" },
    { "CWCF", "Changes_When_Casefolded" },
    { "CWCM", "Changes_When_Casemapped" },
    { "CWL", "Changes_When_Lowercased" },
    { "CWT", "Changes_When_Titlecased" },
    { "CWU", "Changes_When_Uppercased" },
    { "DI", "Default_Ignorable_Code_Point" },
    { "Dash", "Dash" },
    { "Dep", "Deprecated" },
    { "Dia", "Diacritic" },
    { "EBase", "Emoji_Modifier_Base" },
    { "EComp", "Emoji_Component" },
    { "EMod", "Emoji_Modifier" },
    { "EPres", "Emoji_Presentation" },
    { "Emoji", "Emoji" },
    { "Ext", "Extender" },
    { "ExtPict", "Extended_Pictographic" },
    { "Gr_Base", "Grapheme_Base" },
    { "Gr_Ext", "Grapheme_Extend" },
    { "Hex", "Hex_Digit" },
    { "IDC", "ID_Continue" },
    { "IDS", "ID_Start" },
    { "IDSB", "IDS_Binary_Operator" },
    { "IDST", "IDS_Trinary_Operator" },
    { "Ideo", "Ideographic" },
    { "Join_C", "Join_Control" },
    { "LOE", "Logical_Order_Exception" },
    { "Lower", "Lowercase" },
    { "Math", "Math" },
    { "NChar", "Noncharacter_Code_Point" },
    { "Pat_Syn", "Pattern_Syntax" },
    { "Pat_WS", "Pattern_White_Space" },
    { "QMark", "Quotation_Mark" },
    { "RI", "Regional_Indicator" },
    { "Radical", "Radical" },
    { "SD", "Soft_Dotted" },
    { "STerm", "Sentence_Terminal" },
    { "Term", "Terminal_Punctuation" },
    { "UIdeo", "Unified_Ideograph" },
    { "Upper", "Uppercase" },
    { "VS", "Variation_Selector" },
    { "XIDC", "XID_Continue" },
    { "XIDS", "XID_Start" },
    { "space", "White_Space" },
    { "CWKCF", "Changes_When_NFKC_Casefolded" },
};

static const char *find_category(struct str name) {
    for (size_t i = 0; i < sizeof(categories) / sizeof(categories[0]); i++) {
        if (str_is(name, categories[i][0]) || str_is(name, categories[i][1])) {
            return categories[i][2];
        }
    }
    return NULL;
}

static const char *find_binary_property(struct str name) {
    for (size_t i = 0; i < sizeof(properties) / sizeof(properties[0]); i++) {
        if (str_is(name, properties[i][0]) || str_is(name, properties[i][1])) {
            return properties[i][1];
        }
    }
    return NULL;
}

/* "Old_Italic", "Ital": PCRE2 would take any case. */
static bool is_written_as_script(struct str name) {
    bool first = true;

    if (str_is(name, "SignWriting")) {
        return true;
    }
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];

        if (first ? !ascii_is_upper(c) : c != '_' && !ascii_is_lower(c)) {
            return false;
        }
        first = c == '_';
    }
    return !first;
}

/* The list of scripts is PCRE2's: it grows with Unicode. */
static bool is_script(struct str name) {
    char text[PROPERTY_BYTES];
    pcre2_code *code;
    PCRE2_SIZE offset;
    int error;

    if (!is_written_as_script(name)) {
        return false;
    }
    snprintf(text, sizeof(text), "\\p{sc:%.*s}", (int)name.len, name.data);
    code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, PCRE2_UTF, &error, &offset, NULL);
    pcre2_code_free(code);
    return code != NULL;
}

static bool spell(char *text, bool negated, const char *kind, struct str name) {
    snprintf(text, PROPERTY_BYTES, "\\%c{%s%.*s}", negated ? 'P' : 'p', kind, (int)name.len,
             name.data);
    return true;
}

static bool spell_known(char *text, bool negated, const char *name) {
    return name != NULL && spell(text, negated, "", (struct str){ name, strlen(name) });
}

static bool spell_property(struct str name, struct str value, bool negated, char *text) {
    bool extensions = str_is(name, "Script_Extensions") || str_is(name, "scx");
    const char *category;

    if (value.data == NULL) {
        if (str_is(name, "Assigned")) {
            return spell_known(text, !negated, "Cn");
        }
        category = find_category(name);
        return spell_known(text, negated, category != NULL ? category : find_binary_property(name));
    }
    if (str_is(name, "General_Category") || str_is(name, "gc")) {
        return spell_known(text, negated, find_category(value));
    }
    return (extensions || str_is(name, "Script") || str_is(name, "sc")) && is_script(value) &&
           spell(text, negated, extensions ? "scx:" : "sc:", value);
}

static struct str take_word(struct parser *parser) {
    const char *start = parser->pos;

    while (parser->pos < parser->end && parser->pos - start < NAME_BYTES_MAX &&
           (ascii_is_alnum(*parser->pos) || *parser->pos == '_')) {
        parser->pos++;
    }
    return (struct str){ start, (size_t)(parser->pos - start) };
}

/* "{...}" of \p or \P, with pos at the '{'. */
static bool put_property(struct parser *parser, bool negated) {
    const char *start = parser->pos;
    struct str name = { "", 0 };
    struct str value = { NULL, 0 };
    char text[PROPERTY_BYTES];
    bool opens = atom_take(parser, '{');

    if (opens) {
        name = take_word(parser);
    }
    if (opens && atom_take(parser, '=')) {
        value = take_word(parser);
    }
    if (!opens || !atom_take(parser, '}')) {
        return atom_fail(parser, start, "\\p must be followed by a property in {...}");
    }
    if (!spell_property(name, value, negated, text)) {
        return atom_fail(parser, start, "ECMA-262 does not know this property");
    }
    return atom_put(parser, text);
}

bool atom_class_escape(struct parser *parser, bool in_class) {
    char c = parser->pos < parser->end ? *parser->pos : '\0';
    const char *text;

    switch (c) {
    case 'd': text = "\\d"; break;
    case 'D': text = in_class ? NOT_DIGIT : "\\D"; break;
    case 'w': text = "\\w"; break;
    case 'W': text = in_class ? NOT_WORD : "\\W"; break;
    case 's': text = in_class ? SPACE : "[" SPACE "]"; break;
    case 'S': text = in_class ? NOT_SPACE : "[^" SPACE "]"; break;
    case 'p':
    case 'P': parser->pos++; return put_property(parser, c == 'P');
    default: return false;
    }
    parser->pos++;
    return atom_put(parser, text);
}

/* ---- classes ---- */

/* One character of a class, or (*ret_is_set) an escape such as \d, which is written at once. */
static bool parse_class_atom(struct parser *parser, uint32_t *ret_point, bool *ret_is_set) {
    const char *start = parser->pos;

    *ret_is_set = false;
    if (!atom_take(parser, '\\')) {
        *ret_point = utf8_take(&parser->pos);
        return true;
    }
    if (atom_take(parser, 'b')) {
        *ret_point = '\b';
        return true;
    }
    if (atom_take(parser, '-')) {
        *ret_point = '-';
        return true;
    }
    if (atom_class_escape(parser, true)) {
        *ret_is_set = true;
        return true;
    }
    return (parser->reason == NULL && atom_escape(parser, ret_point)) ||
           atom_fail(parser, start, "an escape that ECMA-262 does not know in [...]");
}

/* "a", "a-z" or "\d". */
static bool parse_class_range(struct parser *parser) {
    const char *start = parser->pos;
    uint32_t first = 0;
    uint32_t last = 0;
    bool first_is_set;
    bool last_is_set;

    if (!parse_class_atom(parser, &first, &first_is_set) ||
        (!first_is_set && !atom_put_point(parser, first))) {
        return false;
    }
    if (parser->end - parser->pos < 2 || parser->pos[0] != '-' || parser->pos[1] == ']') {
        return true;
    }
    parser->pos++;
    if (!atom_put(parser, "-") || !parse_class_atom(parser, &last, &last_is_set)) {
        return false;
    }
    if (first_is_set || last_is_set) {
        return atom_fail(parser, start, "a range in [...] must be between two characters");
    }
    if (last < first) {
        return atom_fail(parser, start, "a range in [...] is out of order");
    }
    return atom_put_point(parser, last);
}

bool atom_class(struct parser *parser) {
    const char *start = parser->pos - 1;
    bool negated = atom_take(parser, '^');

    if (atom_take(parser, ']')) { /* nothing, anything */
        return atom_put(parser, negated ? "[\\x{0}-\\x{10ffff}]" : "(?!)");
    }
    if (!atom_put(parser, negated ? "[^" : "[")) {
        return false;
    }
    while (!atom_take(parser, ']')) {
        if (parser->pos == parser->end) {
            return atom_fail(parser, start, "a '[' without its ']'");
        }
        if (!parse_class_range(parser)) {
            return false;
        }
    }
    return atom_put(parser, "]");
}
