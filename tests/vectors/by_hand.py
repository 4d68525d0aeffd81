"""Texts for the tokenizer that were written by hand."""

BY_HAND = (
    # nothing, and nothing but what is dropped
    "", " ", "\n", "\r\n", "\t \u00a0\u3000", "\0", "\ufffd", "\u200b\u200d\ufeff", "\u0301",
    "\x7f\x85",
    # added tokens in the text
    "[SEP]", "[CLS][CLS]", "a[SEP]b", "a [MASK] b", "[PAD][UNK]", "[sep] [Sep]", "[SEP", "SEP]",
    "[[SEP]]", "[CLS]\u0301é", "\u0301[CLS]", "[MASK]中[MASK]", "e[SEP]\u0301", "[UN[UNK]K]",
    "\0[SEP]\0", "[S\u200bEP]", "[CLS] What ? [SEP] That . [SEP]",
    # cleaning
    "a\0b", "a\ufffdb", "a\u200bb", "a\u00adb", "a\tb\nc\rd", "a\x0bb\x0cc", "a\u2028b\u2029c",
    "a\u0085b", "\u202eabc\u202c", "x\ue000y\U000f0000z\U0010fffdw", "a\u180eb", "\ufeffBOM",
    "\u2060joined\u2060",
    # Chinese, and what is not
    "中", "中文 text", "text中文text", "中\u0301", "ひらがなカタカナ", "한국어",
    "\u4dff\u4e00\u9fff\ua000",
    "\U00020000\U0002a6df\U0002a6e0\U0002b820\U0002b920\U0002ceaf\U0002f800", "\uf900豈\ufa0e",
    "〇々",
    # accents and decompositions
    "café", "cafe\u0301", "CAFÉ", "naïve Ångström Å \u212b", "ǘ ǖ ứ ệ", "\u1e9b\u0323",
    "\u0344", "\u0374 \u037e", "\u1100\u1161\u11a8", "각 가 힣 \uac00\ud7a3", "a\u0316\u0300",
    "à\u0316", "à\u0316\u0327b", "\u0344\u0316x", "q\u0323\u0307 q\u0307\u0323",
    "\U0001d15e\U0001d165\U0001d16e", "\u0f73\u0f75\u0f81", "ﬁ ﬀ ½ ²", "\u0958\u09dc",
    "\u302e가\u302f나", "각\u302e\u0316", "\u1e69\u0323 s\u0307\u0323", "\u01d6\u0316\u0334",
    "a\u0345\u0301", "\u0e33\u0eb3",
    # case
    "HELLO World", "İstanbul I ı i", "ΣΊΣΥΦΟΣ ΑΣ", "STRASSE ẞ ß", "ǅ Ǆ ǆ", "\u2126 \u212a",
    "ᏣᎳᎩ Ა", "𐐀𐐨 𞤀𞤢", "Ⅷ Ⓐ",
    # words and punctuation
    "don't", "U.S.A.", "a--b", "$5.00 + 3% = ~£4^2|`x`", "«¿Qué?»", "…“”‘’—", "、。「」",
    "a_b@c.d", "١٢٣،؟", "՞ ׃ ।", "\U00010100\U0001039f \U0001da87", "snake_case camelCase",
    "http://x.org/?q=1&r=2#s",
    # pieces
    "unaffable", "embeddings", "##ing", "a##b", "xqzjk", "tokenization tokenizations",
    "1984 19840 3.14159", "supercalifragilisticexpialidocious", "z" * 99, "z" * 100, "z" * 101,
    "é" * 100, "é" * 101, "가" * 50, "가" * 51, "a" * 100 + "\u0301", "İ" * 51, "un" * 50,
    "un" * 51, "中" * 150, "!" * 150, ("ab" * 60 + " ") * 3,
)  # fmt: skip

EMOJI = (
    "😀", "👍🏽", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🏴‍☠️", "🇩🇪🇫🇷", "1️⃣#️⃣", "❤️", "☺︎", "🧑🏿‍🚀",
    "👩🏻‍❤️‍💋‍👨🏼", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🐻‍❄️", "🫱🏻‍🫲🏿", "\U0001fae8", "🍪🍵🥯",
)  # fmt: skip

RIGHT_TO_LEFT = (
    "שלום", "עוֹלָם", "בְּרֵאשִׁית", "مرحبا", "العَرَبِيَّة", "١٢٣", "ـــ", "לא‏!", "\u200f",
    "\u200e", "\u202bab\u202c", "\u2067x\u2069", "\u061c", "ﷺ", "ﻻ", "יִשְׂרָאֵל", "فارسی",
    "گفت‌وگو", "ܫܠܡܐ", "ދިވެހި", "𞤀𞤣𞤤𞤢𞤥", "،", "؛", "׳",
)  # fmt: skip

SCRIPTS = (
    "ру́сский", "Ελληνικά", "ไทยแลนด์", "हिन्दी", "தமிழ்", "বাংলা", "မြန်မာ", "ქართული",
    "Հայերեն", "አማርኛ", "ខ្មែរ", "ລາວ", "བོད་ཡིག", "日本語テスト", "ｆｕｌｌ ｗｉｄｔｈ", "ﾊﾝｶｸ",
    "Việt Nam", "Čeština", "Łódź", "Ærøskøbing", "Þórr", "ĲsselmeeR",
)  # fmt: skip

CONTROLS = tuple(map(chr, [*range(0x20), *range(0x7F, 0xA0), *range(0x2000, 0x2010)])) + tuple(
    map(chr, [*range(0x2028, 0x2030), *range(0x205F, 0x2070), 0xAD, 0xFEFF, 0xFFF9, 0xFFFD, 0x3000])
)
