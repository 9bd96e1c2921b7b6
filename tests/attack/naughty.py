"""Texts that have broken programs before: for a JSON body (as they stand inside its quotes), and as what a
person may type."""

# Bytes inside the quotes of a JSON string that are no JSON, or no text.
BROKEN = [
    b"\xff", b"\xc0\xaf", b"\xc1\xbf", b"\xe0\x80\xaf", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf4\x90\x80\x80",
    b"\xf5\x80\x80\x80", b"\xf8\x88\x80\x80\x80", b"\x80", b"\xbf", b"\xe2\x82", b"\xf0\x9f\x98", b"a\xcc",
    b"\xfe\xff", b"x\0y", b"\0", b"\\u0000", b"x\\u0000y", b"\\ud800", b"\\udfff", b"\\ud83dx", b"\\ude00\\ud83d",
    b"\\ud800\\ud800", b"\\uD83D\\u0041", b"\\u12", b"\\uzzzz", b"\\x41", b"\\0", b"\\'", b"\\", b"\r\n", b"\n", b"\t",
    b"\x01", b"\x08", b"\x1b[2J", b"\x1f", b"\\u000", b"\\U0001F600",
]

TEXTS = [
    # nothing, or what looks like it
    "", " ", "  ", "\t", "\r\n", "undefined", "null", "NULL", "None", "nil", "true", "false", "NaN", "Infinity",
    "-0", "0", "1", "00", "1e309", "-1", "9223372036854775808", "0x10", "1,000", "１２３", "٣", "½", "²", "∞",
    # questions to a database, a directory, a shell, a template, a format
    "'", "''", '"', '""', "`", "' OR '1'='1", "' OR 1=1 -- ", "'; DROP TABLE users; -- ", "\" OR \"\"=\"",
    "1;SELECT SLEEP(5)", "' UNION SELECT NULL,NULL,NULL -- ", "admin'--", "admin' #", "') OR ('1'='1",
    "' AND SLEEP(5)='", "\\' OR 1=1 -- ", "%' OR '%'='", "%", "_", "\\", "\\\\", "*)(uid=*))(|(uid=*", "*", "(", ")",
    "; ls -la", "| id", "`id`", "$(id)", "${IFS}id", "&& id", "\n/bin/id", "$HOME", "${jndi:ldap://127.0.0.1/a}",
    "{{7*7}}", "${7*7}", "<%= 7*7 %>", "#{7*7}", "%s%s%s%s%s", "%n%n%n%n", "%x", "%1$n", "{0}", "%d", "%00", "%0a",
    # documents in a document
    "<script>alert(1)</script>", "\"><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</title>",
    "<!--", "]]>", "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY y SYSTEM \"file:///etc/passwd\">]><x>&y;</x>",
    "javascript:alert(1)", "data:text/html,x", "{\"$ne\": null}", "{\"$gt\": \"\"}", "[object Object]", "__proto__",
    "constructor", "toString", "{}", "[]", "{\"a\":1}", "a\":1,\"roles\":[\"admin\"],\"x\":\"",
    # a line too many
    "x\r\nSet-Cookie: a=b", "x\nSet-Cookie: a=b", "x\r\n\r\n<html>", "x\u2028y", "x\u2029y", "x\u0085y", "x\x0by",
    "x\x0cy", "x\ntime=2026-01-01T00:00:00Z level=info event=login user=1", "x\" event=login user=\"1", "a=b c=d",
    "x\r\n*1\r\n$8\r\nFLUSHALL\r\n", "x\nEVAL return 1 0", "x\x00y",
    # files
    "../../../../etc/passwd", "..\\..\\windows\\win.ini", "/etc/passwd", "/dev/zero", "file:///etc/passwd", "con",
    "aux", ".", "..", "~", "~root", "C:\\", "//evil.example", "\\\\evil.example\\x", "http://169.254.169.254/",
    # letters of many kinds
    "ÅÍÎÏ˝ÓÔÒÚÆ☃", "œ∑´®†¥¨ˆøπ“‘", "田中さんにあげて下さい", "パーティーへ行かないか", "사회과학원", "社會科學院語學研究所",
    "Ⱥ Ⱦ", "ﬀ ﬁ", "ẞ ß", "ǅ", "İ ı i I", "ϒ", "ΑΑΆ", "Ωµ", "K Å", "ﷺ", "𝕿𝖍𝖊 𝖖𝖚𝖎𝖈𝖐", "ｆｕｌｌ ｗｉｄｔｈ", "Ｆ",
    "ثم نفس سقطت وبالتحديد،", "בְּרֵאשִׁית", "הָיְתָהtestالصفحات", "\u202eevil", "\u202atest\u202a", "\u2066x\u2069", "\u200fx",
    "\u200b", "\u200d", "\ufeff", "x\u200by", "\u00ad", "\u180e", "\u2060", "\u115f", "\u3164", "\uffa0", "\u034f",
    "Z̮̞̠͙͔ͅḀ̗̞͈̻̗Ḷ͙͎̯̹̞͓G̻O̭̗̮", "e\u0301", "\u0301", "a" + "\u0301" * 60, "\u0f71\u0f74", "ཱུ", "ก็็็็็็็็็็็็็็็็็็็็",
    "😀", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪", "🇪", "👋🏽", "❤️", "❤", "\U0001f3f4\U000e0067\U000e0062\U000e007f", "\U000e0001",
    "\uffff", "\ufffe", "\ufffd", "\U0010ffff", "\ue000", "\U000f0000", "\ufdd0", "𝒳y", "\U0001d15e",
    # controls
    "\x01", "\x07", "\x08", "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x7f", "\x80", "\x9b31m",
    # length
    "x" * 128, "x" * 129, "x" * 255, "x" * 256, "x" * 1000, "ü" * 128, "😀" * 128, "日" * 200, "x" * 4096, "x" * 30000,
    # names that somebody relies on
    "admin", "root", "administrator", "system", "anonymous", "guest", "postmaster", "nobody", "gatehouse", "me",
]

# Two addresses that look alike to somebody, or to some collation of a database, and are not the same.
LOOK_ALIKES = [
    ("a{}@example.org", "á{}@example.org"), ("a{}@example.org", "à{}@example.org"),
    ("a{}@example.org", "ä{}@example.org"), ("a{}@example.org", "å{}@example.org"),
    ("a{}@example.org", "ａ{}@example.org"), ("a{}@example.org", "а{}@example.org"),
    ("a{}@example.org", "ª{}@example.org"), ("a{}@example.org", "ɑ{}@example.org"),
    ("a{}@example.org", "a{}@exаmple.org"), ("a{}@example.org", "a{}@example。org"),
    ("a{}@example.org", "a{}@ｅxample.org"), ("a{}@example.org", "a{}＠example.org"),
    ("strasse{}@example.org", "straße{}@example.org"), ("strase{}@example.org", "straße{}@example.org"),
    ("strasse{}@example.org", "straẞe{}@example.org"), ("ss{}@example.org", "ß{}@example.org"),
    ("ae{}@example.org", "æ{}@example.org"), ("oe{}@example.org", "œ{}@example.org"),
    ("o{}@example.org", "ø{}@example.org"), ("l{}@example.org", "ł{}@example.org"),
    ("d{}@example.org", "đ{}@example.org"), ("th{}@example.org", "þ{}@example.org"),
    ("n{}@example.org", "ñ{}@example.org"), ("i{}@example.org", "ı{}@example.org"),
    ("i{}@example.org", "İ{}@example.org"), ("s{}@example.org", "ſ{}@example.org"),
    ("fi{}@example.org", "ﬁ{}@example.org"), ("dz{}@example.org", "ǆ{}@example.org"),
    ("2{}@example.org", "²{}@example.org"), ("1{}@example.org", "①{}@example.org"),
    ("l{}@example.org", "1{}@example.org"), ("o{}@example.org", "0{}@example.org"),
    ("x{}@example.org", "x{}@example.org "), ("x{}@example.org", " x{}@example.org"),
    ("x{}@example.org", "x{}@example.org\t"), ("x{}@example.org", "x{}@example.org\n"),
    ("x{}@example.org", "x{}@example.org\u00a0"), ("x{}@example.org", "x{}@example.org\u3000"),
    ("x{}@example.org", "x{}@example.org\u200b"), ("x{}@example.org", "\ufeffx{}@example.org"),
    ("x{}@example.org", "x\u00ad{}@example.org"), ("x{}@example.org", "x\u200d{}@example.org"),
    ("x{}@example.org", "x\u2060{}@example.org"), ("x{}@example.org", "x\u034f{}@example.org"),
    ("x{}@example.org", "x{}@example.org."), ("x{}@example.org", "x{}.@example.org"),
    ("x{}@example.org", "x.{}@example.org"), ("x{}@example.org", "x{}+tag@example.org"),
    ("x{}@example.org", "\"x{}\"@example.org"), ("x{}@example.org", "x{}@example.org\0"),
    ("x{}@example.org", "x{}@example.org\0y"), ("x{}@example.org", "x{}@example.org,y@example.org"),
    ("x{}@example.org", "x{}@example.org\r\nBcc: y@example.org"), ("x{}@example.org", "<x{}@example.org>"),
    ("x{}@example.org", "x{}%40example.org"), ("x{}@example.org", "x{}(y)@example.org"),
    ("😀{}@example.org", "😁{}@example.org"), ("😀{}@example.org", "🚀{}@example.org"),
    ("❤{}@example.org", "❤️{}@example.org"), ("👋{}@example.org", "👋🏽{}@example.org"),
    ("日{}@example.org", "曰{}@example.org"), ("か{}@example.org", "が{}@example.org"),
    ("カ{}@example.org", "ｶ{}@example.org"), ("は{}@example.org", "ハ{}@example.org"),
    ("σ{}@example.org", "ς{}@example.org"), ("ο{}@example.org", "o{}@example.org"),
    ("ё{}@example.org", "е{}@example.org"), ("й{}@example.org", "и{}@example.org"),
    ("ऩ{}@example.org", "न{}@example.org"), ("각{}@example.org", "가{}@example.org"),
    ("x_{}@example.org", "xy{}@example.org"), ("x%{}@example.org", "xyz{}@example.org"),
    ("x*{}@example.org", "xyz{}@example.org"), ("x?{}@example.org", "xy{}@example.org"),
]
