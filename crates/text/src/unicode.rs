//! The properties of `\p{…}`, spelled as ECMAScript spells them: ECMA-262, section 22.2.1,
//! "Unicode property value expressions". The `regex` crates read any spelling of them.

/// Whether this is what can stand between the braces.
pub(super) fn is_property(name: &str) -> bool {
    match name.split_once('=') {
        None => is_one_of(GENERAL_CATEGORIES, name) || is_one_of(BINARY_PROPERTIES, name),
        Some(("General_Category" | "gc", value)) => is_one_of(GENERAL_CATEGORIES, value),
        Some(("Script" | "sc" | "Script_Extensions" | "scx", value)) => {
            is_one_of(SCRIPTS, value) || is_code(value)
        }
        Some(_) => false,
    }
}

fn is_one_of(names: &str, name: &str) -> bool {
    names.split(' ').any(|known| known == name)
}

/// Whether it is like a script's code of four letters (ISO 15924); which of them there are, the
/// compiler of the pattern knows.
fn is_code(name: &str) -> bool {
    let mut letters = name.bytes();
    name.len() == 4
        && letters
            .next()
            .is_some_and(|first| first.is_ascii_uppercase())
        && letters.all(|letter| letter.is_ascii_lowercase())
}

/// General categories, by their short and their long names.
const GENERAL_CATEGORIES: &str = "C Cc Cf Cn Co L LC Ll Lm Lo Lt Lu M Mc Me Mn N Nd Nl No P Pc Pd Pe Pf Pi Po Ps S Sc Sk \
    Sm So Z Zl Zp Zs Cased_Letter Close_Punctuation Combining_Mark Connector_Punctuation \
    Control Currency_Symbol Dash_Punctuation Decimal_Number Enclosing_Mark Final_Punctuation \
    Format Initial_Punctuation Letter Letter_Number Line_Separator Lowercase_Letter Mark \
    Math_Symbol Modifier_Letter Modifier_Symbol Nonspacing_Mark Number Open_Punctuation \
    Other Other_Letter Other_Number Other_Punctuation Other_Symbol Paragraph_Separator \
    Private_Use Punctuation Separator Space_Separator Spacing_Mark Symbol Titlecase_Letter \
    Unassigned Uppercase_Letter cntrl digit punct";

/// Properties that a character has or has not.
const BINARY_PROPERTIES: &str = "ASCII AHex ASCII_Hex_Digit Alpha Alphabetic Any Assigned Bidi_C Bidi_Control Bidi_M \
    Bidi_Mirrored CI Case_Ignorable Cased CWCF Changes_When_Casefolded CWCM \
    Changes_When_Casemapped CWL Changes_When_Lowercased CWT Changes_When_Titlecased CWU \
    Changes_When_Uppercased DI Dash Default_Ignorable_Code_Point Dep Deprecated Dia \
    Diacritic EBase EComp EMod EPres Emoji Emoji_Component Emoji_Modifier \
    Emoji_Modifier_Base Emoji_Presentation Ext ExtPict Extended_Pictographic Extender \
    Gr_Base Gr_Ext Grapheme_Base Grapheme_Extend Hex Hex_Digit IDC IDS IDSB IDST \
    IDS_Binary_Operator IDS_Trinary_Operator ID_Continue ID_Start Ideo Ideographic Join_C \
    Join_Control LOE Logical_Order_Exception Lower Lowercase Math NChar \
    Noncharacter_Code_Point Pat_Syn Pat_WS Pattern_Syntax Pattern_White_Space QMark \
    Quotation_Mark RI Radical Regional_Indicator SD STerm Sentence_Terminal Soft_Dotted Term \
    Terminal_Punctuation UIdeo Unified_Ideograph Upper Uppercase VS Variation_Selector \
    White_Space XIDC XIDS XID_Continue XID_Start space";

/// Scripts, by their long names.
const SCRIPTS: &str = "Adlam Ahom Anatolian_Hieroglyphs Arabic Armenian Avestan Balinese Bamum Bassa_Vah Batak \
    Bengali Bhaiksuki Bopomofo Brahmi Braille Buginese Buhid Canadian_Aboriginal Carian \
    Caucasian_Albanian Chakma Cham Cherokee Chorasmian Common Coptic Cuneiform Cypriot \
    Cypro_Minoan Cyrillic Deseret Devanagari Dives_Akuru Dogra Duployan Egyptian_Hieroglyphs \
    Elbasan Elymaic Ethiopic Garay Georgian Glagolitic Gothic Grantha Greek Gujarati \
    Gunjala_Gondi Gurmukhi Gurung_Khema Han Hangul Hanifi_Rohingya Hanunoo Hatran Hebrew \
    Hiragana Imperial_Aramaic Inherited Inscriptional_Pahlavi Inscriptional_Parthian \
    Javanese Kaithi Kannada Katakana Katakana_Or_Hiragana Kawi Kayah_Li Kharoshthi \
    Khitan_Small_Script Khmer Khojki Khudawadi Kirat_Rai Lao Latin Lepcha Limbu Linear_A \
    Linear_B Lisu Lycian Lydian Mahajani Makasar Malayalam Mandaic Manichaean Marchen \
    Masaram_Gondi Medefaidrin Meetei_Mayek Mende_Kikakui Meroitic_Cursive \
    Meroitic_Hieroglyphs Miao Modi Mongolian Mro Multani Myanmar Nabataean Nag_Mundari \
    Nandinagari New_Tai_Lue Newa Nko Nushu Nyiakeng_Puachue_Hmong Ogham Ol_Chiki Ol_Onal \
    Old_Hungarian Old_Italic Old_North_Arabian Old_Permic Old_Persian Old_Sogdian \
    Old_South_Arabian Old_Turkic Old_Uyghur Oriya Osage Osmanya Pahawh_Hmong Palmyrene \
    Pau_Cin_Hau Phags_Pa Phoenician Psalter_Pahlavi Rejang Runic Samaritan Saurashtra \
    Sharada Shavian Siddham SignWriting Sinhala Sogdian Sora_Sompeng Soyombo Sundanese \
    Sunuwar Syloti_Nagri Syriac Tagalog Tagbanwa Tai_Le Tai_Tham Tai_Viet Takri Tamil Tangsa \
    Tangut Telugu Thaana Thai Tibetan Tifinagh Tirhuta Todhri Toto Tulu_Tigalari Ugaritic \
    Unknown Vai Vithkuqi Wancho Warang_Citi Yezidi Yi Zanabazar_Square";
