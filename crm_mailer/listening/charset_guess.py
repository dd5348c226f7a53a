"""The charset of bytes that nobody named: the one in which they hold the commonest letters."""

from __future__ import annotations

import charset_normalizer

#: What is looked at: more costs time and tells nothing new.
LENGTH = 4_096
#: What the general guesser looks at, where no alphabet of ours fits.
_GUESSED_ON = 64 * 1024
#: From this share of common letters on, a reading is believed.
_BELIEVED = 0.45

_ASCII = bytes(range(0x80))
#: Codec -> letters that are common in texts written in it; of equals the first wins.
_COMMON = {
    "cp1252": "éèêëàâäáãåæçñíìîïóòôöõøúùûüßÄÖÜÉÈÀÇÑÓÍÁ«»’‘“”–—…•€°ºª¿¡£§©®´œ",
    "cp1251": "абвгдежзийклмнопрстуфхцчшщъыьэюяёіїєґ«»—№",
    "koi8_r": "абвгдежзийклмнопрстуфхцчшщъыьэюяё",
    "gb18030": (
        "的一是不了在有人我他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可她里后么"
        "心多天而能好都然没日于起还发成事只作当想看文无开手用主行方又如前所本见经头面公同三已老从动两长知样现分"
        "将外但身些与高意进把法此实回二理美点月明其种声全工己话儿者向情部正名定女问力机给等几很业最间新什打便位"
        "因重被走电四第门相次东政海口使教西再平真听世气信北少关并内加化由却代军产入先山五太水万市您请单货款退收"
        "谢订快包裹寄物购买件品价格付邮址号换坏色尺码，。？！、：；（）《》“”"
    ),
    "big5": (
        "的一是不了在有人我他這中大來上國個到說們為子和你地出道也時年得就那要下以生會自著去之過家學對可她裡後麼"
        "心多天而能好都然沒日於起還發成事只作當想看文無開手用主行方又如前所本見經頭面公同三已老從動兩長知樣現分"
        "將外但身些與高意進把法此實回二理美點月明其種聲全工己話兒者向情部正名定女問力機給等幾很業最間新什打便位"
        "您請單貨款退收謝訂快包裹寄物購買件品價格付郵址號換壞色尺碼，。？！、：；（）「」"
    ),
    "cp932": (
        "あいうえおかがきぎくぐけげこごさざしじすずせぜそぞただちっつてでとどなにぬねのはばひびふへべほまみむめもや"
        "ゃゆゅよょらりるれろわをんアイウエオカガキギクグケゲコゴサザシジスズセソタダチッツテデトドナニネノハバパヒビフ"
        "ブヘベペホボポマミムメモャュョラリルレロワンー、。"
    ),
    "cp949": (
        "이다는에가을를의로고하은도지한기사나아어서시니있안자리요해면인그대주만습것들라게으오일제수정보여저부거과"
        "전세스구마드합원장동문상신동주문배송택왔되까받확불환상품내못더네당신해미감세요겠았었했때와"
    ),
    "cp1253": "αβγδεζηθικλμνξοπρστυφχψωάέήίόύώς",
    "cp1256": "اأإآبتثجحخدذرزسشصضطظعغفقكلمنهويىةءئؤ،؟",
    "cp1255": "אבגדהוזחטיכלמנסעפצקרשתםןךףץ",
    "cp1254": "şğıçöüİŞĞÇÖÜâî",
    "cp1250": "ąćęłńóśźżĄĆĘŁŚŻáčďéěíňřšťúůýžŠČŽőűöüäăâîșț",
    "iso8859_2": "ąćęłńóśźżĄĆĘŁŚŻáčďéěíňřšťúůýžŠČŽőűöüä",
    "cp874": "กขคงจชซญดตถทธนบปผพฟมยรลวศสหอะาิีึืุูเแโใไ่้็์",
}  # fmt: skip
#: Alphabets that stand among plain letters; of the others a text has hardly any.
_LATIN = {"cp1252", "cp1254", "cp1250", "iso8859_2"}
_CYRILLIC = {"cp1251", "koi8_r"}
_VOWELS = frozenset("аеиоуыэюяёіїє")
_COMMON["euc_jp"] = _COMMON["cp932"]
_SETS = {codec: frozenset(letters) for codec, letters in _COMMON.items()}


def guess(raw: bytes) -> str:
    """The name of a codec for bytes that are no UTF-8; Western where nothing fits."""
    sample = raw[:LENGTH]
    plain = sum(byte < 0x80 and chr(byte).isalpha() for byte in sample)
    is_latin = 2 * plain > len(sample.translate(None, _ASCII))
    scores = {
        codec: _share(sample, codec) * (1.0 if (codec in _LATIN) == is_latin else 0.6)
        for codec in _SETS
    }
    best = max(scores, key=lambda codec: scores[codec])
    if scores[best] >= _BELIEVED:
        return best
    found = charset_normalizer.from_bytes(raw[:_GUESSED_ON]).best() if len(raw) > 64 else None
    return found.encoding if found is not None else "cp1252"


def _share(sample: bytes, codec: str) -> float:
    """The share of common letters among those beyond ASCII; what cannot be read counts thrice."""
    text = sample.decode(codec, "replace")
    strange = [letter for letter in text if letter > "\x7f"]
    common = _SETS[codec]
    hits = float(sum(letter in common for letter in strange))
    misses = 2 * strange.count("\ufffd")
    if codec in _CYRILLIC and 5 * sum(letter in _VOWELS for letter in strange) < len(strange):
        hits /= 2
    return hits / (len(strange) + misses) if strange else 0.0
