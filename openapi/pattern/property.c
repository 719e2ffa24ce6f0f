/*
 * \p{...} and \P{...}: the names of ECMA-262, 22.2.1 (tables of Unicode properties and values), and
 * what PCRE2 calls them.
 */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "parser.h"

#include <pcre2.h>
#include <stdio.h>

enum { NAME_BYTES_MAX = 40 };

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

        if (first ? c < 'A' || c > 'Z' : c != '_' && (c < 'a' || c > 'z')) {
            return false;
        }
        first = c == '_';
    }
    return !first;
}

/* The list of scripts is PCRE2's: it grows with Unicode. */
static bool is_script(struct str name) {
    char text[NAME_BYTES_MAX + 8];
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

static bool put_property(struct pattern_parser *parser, bool negated, const char *kind,
                         const char *name) {
    return pattern_put(parser, negated ? "\\P{" : "\\p{") && pattern_put(parser, kind) &&
           pattern_put(parser, name) && pattern_put(parser, "}");
}

/* \p{NAME}: a general category or a binary property. */
static bool put_lone(struct pattern_parser *parser, bool negated, struct str name) {
    const char *category = find_category(name);

    if (str_is(name, "Assigned")) {
        return put_property(parser, !negated, "", "Cn");
    }
    if (category == NULL) {
        category = find_binary_property(name);
    }
    return category != NULL && put_property(parser, negated, "", category);
}

/* \p{NAME=VALUE} */
static bool put_pair(struct pattern_parser *parser, bool negated, struct str name,
                     struct str value) {
    bool extensions = str_is(name, "Script_Extensions") || str_is(name, "scx");
    char script[NAME_BYTES_MAX + 1];

    if (str_is(name, "General_Category") || str_is(name, "gc")) {
        const char *category = find_category(value);

        return category != NULL && put_property(parser, negated, "", category);
    }
    if ((!extensions && !str_is(name, "Script") && !str_is(name, "sc")) || !is_script(value)) {
        return false;
    }
    snprintf(script, sizeof(script), "%.*s", (int)value.len, value.data);
    return put_property(parser, negated, extensions ? "scx:" : "sc:", script);
}

static struct str take_word(struct pattern_parser *parser) {
    const char *start = parser->pos;

    while (parser->pos < parser->end && parser->pos - start < NAME_BYTES_MAX &&
           ((*parser->pos >= 'a' && *parser->pos <= 'z') ||
            (*parser->pos >= 'A' && *parser->pos <= 'Z') ||
            (*parser->pos >= '0' && *parser->pos <= '9') || *parser->pos == '_')) {
        parser->pos++;
    }
    return (struct str){ start, (size_t)(parser->pos - start) };
}

bool pattern_parse_property(struct pattern_parser *parser, bool negated) {
    const char *start = parser->pos;
    struct str name;
    struct str value = { NULL, 0 };

    if (!pattern_take(parser, '{')) {
        return pattern_fail(parser, start, "\\p must be followed by a property in {...}");
    }
    name = take_word(parser);
    if (pattern_take(parser, '=')) {
        value = take_word(parser);
    }
    if (!pattern_take(parser, '}')) {
        return pattern_fail(parser, start, "\\p must be followed by a property in {...}");
    }
    return (value.data != NULL ? put_pair(parser, negated, name, value)
                               : put_lone(parser, negated, name)) ||
           pattern_fail(parser, start, "ECMA-262 does not know this property");
}
