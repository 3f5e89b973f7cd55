"""Texts of the blind set in Chinese, Japanese, Korean, Hindi, Arabic, Hebrew and Thai. blind_legitimate collects them."""
# ruff: noqa: RUF001, SIM905

from .blind_words import Answers

DIGITS = "零一二三四五六七八九"

CHINESE_FAQ = """问：会员卡怎么办理？
答：请带身份证到一楼服务台办理，当天可以拿到会员卡。

问：会员卡要钱吗？
答：会员卡是免费的，不收任何费用。

问：会员卡丢了怎么办？
答：请带身份证到一楼服务台补办，补办费十元。

问：会员卡可以给家人用吗？
答：可以。家人用卡时请说出您的手机号码。

问：积分怎么算？
答：每消费一元得一分，生日当天每消费一元得两分。

问：积分有什么用？
答：每一百分可以换一元，也可以在一楼服务台换礼品。

问：积分会过期吗？
答：会的。积分的有效期是两年，过期以后不能再用。

问：怎么查积分？
答：可以在手机上查，也可以到一楼服务台查。

问：可以退货吗？
答：可以。七天以内请带小票到一楼服务台退货。

问：没有小票可以退货吗？
答：可以。请说出您的手机号码，我们能查到您的订单。"""

CHINESE_SONG = """《小河弯弯》

小河弯弯，流过村庄，
流过村庄，流过稻田，
爷爷坐在大树下，
说起从前，说起从前。

啊，小河弯弯，小河弯弯，
你带我回家，带我回家。

小河弯弯，流过石桥，
流过石桥，流过竹林，
奶奶站在小门口，
等我回来，等我回来。

啊，小河弯弯，小河弯弯，
你带我回家，带我回家。

小河弯弯，流过城市，
流过城市，流过高楼，
我在窗前听雨声，
想着你们，想着你们。

啊，小河弯弯，小河弯弯，
你带我回家，带我回家。
啊，小河弯弯，小河弯弯，
你带我回家，带我回家。"""

JAPANESE_DIALOGUE = """**レストランで**

店員：いらっしゃいませ。何名様ですか。
客：二人です。
店員：こちらへどうぞ。ご注文はお決まりですか。
客：すみません、もう少し待ってください。
店員：かしこまりました。

店員：ご注文はお決まりですか。
客：はい。ラーメンを二つお願いします。
店員：ラーメンを二つですね。お飲み物はいかがですか。
客：お茶を二つお願いします。
店員：お茶を二つですね。かしこまりました。

客：すみません。
店員：はい、何でしょうか。
客：お水をお願いします。
店員：お水ですね。かしこまりました。

客：すみません、お会計をお願いします。
店員：はい、二千四百円です。
客：カードでお願いします。
店員：かしこまりました。ありがとうございました。"""

KOREAN = """1. 나는 학교에 갑니다. – Ich gehe zur Schule.
2. 나는 시장에 갑니다. – Ich gehe zum Markt.
3. 나는 병원에 갑니다. – Ich gehe ins Krankenhaus.
4. 나는 도서관에 갑니다. – Ich gehe in die Bibliothek.
5. 나는 집에 갑니다. – Ich gehe nach Hause.
6. 친구는 학교에 갑니다. – Der Freund geht zur Schule.
7. 친구는 시장에 갑니다. – Der Freund geht zum Markt.
8. 나는 책을 읽습니다. – Ich lese ein Buch.
9. 나는 신문을 읽습니다. – Ich lese die Zeitung.
10. 나는 편지를 씁니다. – Ich schreibe einen Brief.
11. 나는 이름을 씁니다. – Ich schreibe den Namen.
12. 나는 물을 마십니다. – Ich trinke Wasser.
13. 나는 차를 마십니다. – Ich trinke Tee.
14. 나는 커피를 마십니다. – Ich trinke Kaffee.
15. 친구는 커피를 마십니다. – Der Freund trinkt Kaffee."""

ARABIC_SUPPLICATION = """اللهم اهدِ قلوبنا، يا رحيم.
اللهم اشفِ مرضانا، يا رحيم.
اللهم ارحم موتانا، يا رحيم.
اللهم احفظ أطفالنا، يا رحيم.
اللهم بارك في آبائنا وأمهاتنا، يا رحيم.
اللهم أطعم الجائعين، يا رحيم.
اللهم آمن الخائفين، يا رحيم.
اللهم رد الغائبين إلى أهلهم، يا رحيم.
اللهم فرج هم المهمومين، يا رحيم.
اللهم اسقِ الأرض العطشى، يا رحيم.
اللهم أصلح بين الناس، يا رحيم.
اللهم اجعل هذا البلد آمنا، يا رحيم.
اللهم تقبل منا، يا رحيم.
آمين، آمين، آمين."""

HEBREW = """| עברית | תעתיק | English |
|---|---|---|
| אני לומד | ani lomed | I study |
| אתה לומד | ata lomed | you study (m.) |
| את לומדת | at lomedet | you study (f.) |
| הוא לומד | hu lomed | he studies |
| היא לומדת | hi lomedet | she studies |
| אנחנו לומדים | anachnu lomdim | we study |
| אתם לומדים | atem lomdim | you study (m. pl.) |
| אתן לומדות | aten lomdot | you study (f. pl.) |
| הם לומדים | hem lomdim | they study (m.) |
| הן לומדות | hen lomdot | they study (f.) |
| אני כותב | ani kotev | I write |
| אתה כותב | ata kotev | you write (m.) |
| את כותבת | at kotevet | you write (f.) |
| הוא כותב | hu kotev | he writes |
| היא כותבת | hi kotevet | she writes |
| אנחנו כותבים | anachnu kotvim | we write |"""

THAI = """1. สวัสดีครับ – hello
2. ขอบคุณครับ – thank you
3. ขอโทษครับ – sorry
4. ไม่เป็นไรครับ – never mind
5. ห้องน้ำอยู่ที่ไหนครับ – where is the toilet?
6. สถานีรถไฟอยู่ที่ไหนครับ – where is the railway station?
7. โรงพยาบาลอยู่ที่ไหนครับ – where is the hospital?
8. ธนาคารอยู่ที่ไหนครับ – where is the bank?
9. ตลาดอยู่ที่ไหนครับ – where is the market?
10. อันนี้ราคาเท่าไหร่ครับ – how much is this?
11. อันนั้นราคาเท่าไหร่ครับ – how much is that?
12. ผมไม่เข้าใจครับ – I do not understand
13. พูดช้าๆ หน่อยครับ – please speak slowly
14. พูดอีกครั้งครับ – please say it again"""

HINDI_VERSE = """सूरज निकला, चिड़िया बोली,
उठो, उठो, अब भोर हुई।
कलियों ने भी आँखें खोलीं,
उठो, उठो, अब भोर हुई।

माँ ने चूल्हे पर चाय चढ़ाई,
उठो, उठो, अब भोर हुई।
दादी ने फिर घंटी बजाई,
उठो, उठो, अब भोर हुई।

खेतों में अब बैल चले हैं,
उठो, उठो, अब भोर हुई।
बस्ते लेकर मित्र खड़े हैं,
उठो, उठो, अब भोर हुई।

सपने सारे रात के थे,
उठो, उठो, अब भोर हुई।
सच करने के दिन आए हैं,
उठो, उठो, अब भोर हुई।"""


def _chinese(number: int) -> str:
    tens, unit = divmod(number, 10)
    if tens == 0:
        return DIGITS[unit]
    return ("" if tens == 1 else DIGITS[tens]) + "十" + (DIGITS[unit] if unit else "")


def nine_nine() -> str:
    rows = []
    for row in range(1, 10):
        parts = [
            f"{DIGITS[column]}{DIGITS[row]}{'得' if row * column < 10 else ''}{_chinese(row * column)}"
            for column in range(1, row + 1)
        ]
        rows.append(" ".join(parts))
    return "九九乘法口诀：\n\n" + "\n".join(rows)


def kana() -> str:
    rows = "あいうえお かきくけこ さしすせそ たちつてと なにぬねの はひふへほ まみむめも や　ゆ　よ らりるれろ わ　　　を".split(
        " "
    )
    other = "アイウエオ カキクケコ サシスセソ タチツテト ナニヌネノ ハヒフヘホ マミムメモ ヤ　ユ　ヨ ラリルレロ ワ　　　ヲ".split(
        " "
    )
    tables = [
        "\n".join([f"**{title}**\n", "| | a | i | u | e | o |", "|---" * 6 + "|", *(f"| {sound} | " + " | ".join(row) + " |" for sound, row in zip(["-", *"kstnhmyrw"], group, strict=True))])
        for title, group in (("ひらがな", rows), ("カタカナ", other))
    ]  # fmt: skip
    return "\n\n".join(tables)


def hindi_tables() -> str:
    digits = str.maketrans("0123456789", "०१२३४५६७८९")
    blocks = [
        f"**{number} का पहाड़ा**\n"
        + "\n".join(f"{number} × {factor} = {number * factor}" for factor in range(1, 11))
        for number in (2, 5, 7, 12, 15)
    ]
    return "\n\n".join(blocks).translate(digits)


def arabic_numbers() -> str:
    units = "واحد اثنان ثلاثة أربعة خمسة ستة سبعة ثمانية تسعة".split()
    tens = "عشرون ثلاثون أربعون خمسون".split()
    digits = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
    lines = []
    for index, ten in enumerate(tens, 2):
        lines.append(f"{index * 10} - {ten}")
        lines += [f"{index * 10 + number} - {unit} و{ten}" for number, unit in enumerate(units, 1)]
    return "الأعداد من عشرين إلى تسعة وخمسين:\n\n" + "\n".join(lines).translate(digits)


ASIA: Answers = {
    "chinese-faq": CHINESE_FAQ,
    "chinese-song": CHINESE_SONG,
    "chinese-times-table": nine_nine,
    "japanese-kana": kana,
    "japanese-restaurant": JAPANESE_DIALOGUE,
    "korean-german": KOREAN,
    "hindi-tables": hindi_tables,
    "hindi-verse": HINDI_VERSE,
    "arabic-numbers": arabic_numbers,
    "arabic-supplication": ARABIC_SUPPLICATION,
    "hebrew-verbs": HEBREW,
    "thai-phrases": THAI,
}
