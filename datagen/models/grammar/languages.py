# ruff: noqa: RUF001 - letters of other languages are meant
"""Tell an instruction in another language than English, by its letters and its common words."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from datagen.core.english import read_number, singularize, word_set
from datagen.models.grammar.chunks import LOOKS
from datagen.models.grammar.picture_words import mask_quotes
from datagen.models.grammar.thing_names import SHADES, is_colour
from datagen.models.grammar.verbs import LEMMA
from datagen.scene_graphs.lexicon import NOUNS

FUNCTION_WORDS: Final = word_set(
    "the a an this that these those it its he him his she her they them their we us our you your i me my mine and or "
    "but then than with without of on in to from into onto at by for off over under above below behind beside between "
    "near next up down out is are was were be been being am do does did done has have had can could will would should "
    "shall may might must what which who whose why how when where if no not none more less most least as like so very "
    "too also just only some any all each every other another same such please pls plz thanks thx there here now as "
    "let's lets about across along around through inside outside against instead except maybe both two one half twice "
    "few lot lots many much bit little big small old new young long short left right top bottom middle background "
    "foreground image photo picture pic scene style everything something someone somebody everyone "
    "whole entire world back again away while because since until after before during"
)
"""Words that are English whatever they stand beside."""
_LETTER_NAMES: Final = word_set("s t d m re ve ll")
_WORDS: Final = {
    "German": """
        der das dem des ein eine einen einem einer eines und oder mit ohne auf aus zu zum zur im vom beim bitte mach
        mache machen füge fuege hinzu entferne entfernen ersetze ersetzen durch gegen ändere aendere ändern farbe bild
        foto setze stelle lass lasse soll sollte sollen kannst könntest könnte ist sind nicht mehr statt wie verwandle
        färbe wäre den ihm ihr ihn ihre seine links rechts größer kleiner heller dunkler blau grün gelb schwarz weiß
        himmel hintergrund gib zeig zeige tausche dreh drehe
    """,
    "French": """
        le la les une des du de et ou avec sans sur sous dans au aux en par moins cette ces sa ses mon ton ma
        ajoute ajouter ajoutez enlève enlever enlevez supprime supprimer retire retirer remplace remplacer remplacez
        mets mettre mettez rends rendre changer changez fais faire faites peux pouvez transforme couleur ciel est sont
        rouge bleu vert jaune noir blanc fond il elle qui que lui leur donne
    """,
    "Spanish": """
        el los las una unos unas del al con sin y o en por para más menos este esta ese su sus mi añade agrega añadir
        agregar pon poner ponle quita quitar elimina eliminar reemplaza reemplazar sustituye cambia cambiar haz hacer
        hazlo convierte color cielo fondo rojo azul verde amarillo negro blanco que es como de la le puedes
    """,
    "Italian": """
        il lo gli della delle dello degli dei nel nella sul sulla con senza e per più meno questo questa aggiungi
        aggiungere togli rimuovi rimuovere sostituisci cambia cambiare metti mettere rendi fai trasforma colore cielo
        sfondo rosso verde giallo nero bianco di che puoi una un al alla
    """,
    "Portuguese": """
        um uma uns umas os as da das dos na nas nos em com sem e ou por para mais menos este esta isso seu sua
        adicione adicionar acrescente coloque colocar remova remover retire substitua troque mude mudar faça fazer
        transforme cor céu fundo vermelho azul amarelo preto branco que é são ao à de
    """,
    "Dutch": """
        het een en of met zonder naar uit voor voeg toe verwijder vervang verander maak zet plaats kleur lucht
        achtergrond rood blauw groen geel zwart wit niet meer minder dit deze zijn haar hond kat kun je de aan
    """,
    "Polish": """
        i w z na do od po się nie jest są dodaj usuń zamień zmień zrób wstaw umieść kolor niebo tło czerwony niebieski
        zielony czarny biały więcej mniej bez proszę
    """,
    "Turkish": """
        bir ve ile bu şu için ekle kaldır sil değiştir yap koy dönüştür rengini gökyüzünü arka kırmızı mavi yeşil
        siyah beyaz daha lütfen
    """,
    "Swedish, Danish or Norwegian": """
        en ett et og och den det med uten utan uden til till på av af fra från lägg tilføj legg fjern ta bort byt ændr
        endre ändra gör gjør lav himlen himmelen bakgrunnen bakgrunden røde rød röd blå grønn grön grøn svart sort hvit
        vit hatt
    """,
    "Indonesian": "tambahkan hapus ubah ganti buat jadikan letakkan dengan dan yang di ke dari warna langit menjadi",
    "Vietnamese": "thêm xóa đổi thay làm đặt một cái con và với trên dưới màu bầu trời thành nền",
    "Romanian": "adaugă șterge elimină înlocuiește schimbă fă pune și cu fără culoarea cerul pe din în o un",
    "Czech or Slovak": "přidej odstraň nahraď změň udělej dej na s a bez barvu oblohu do v ze pridaj zmeň",
    "Hungarian": "adj hozzá távolítsd el cseréld változtasd legyen tegyél egy az és színét eget háttér",
    "Finnish": "lisää poista korvaa vaihda muuta laita ja taivas taivaasta väri punaiseksi",
}
_FOREIGN: Final = {language: word_set(words) - FUNCTION_WORDS - {*LEMMA} for language, words in _WORDS.items()}
_WORD: Final = re.compile(r"[^\W\d_]+")
_FEW: Final = 4
"""With at least so many different words, none of which is known, a text is taken for another language."""


def is_english_word(word: str) -> bool:
    """Whether a word in lower case is a common one, a verb of edits, a colour or a thing that captions often name."""
    known = word in FUNCTION_WORDS or word in LEMMA or word in LOOKS or is_colour(word) or word in SHADES
    return known or singularize(word) in NOUNS or read_number(word) is not None


def foreign_words(text: str) -> str:
    """Why a text is not English: "`füge`, `einen` are German", or ''. Words in quotes may be of any language.

    A text is taken for another language if most of its letters are not Latin, if it has more words of another language
    than English ones, or if it has four or more words and none is known. Words that English shares, such as "die" and
    "change", count for neither.
    """
    unquoted = unicodedata.normalize("NFC", mask_quotes(text))
    letters = [letter for letter in unquoted if letter.isalpha()]
    others = [letter for letter in letters if not unicodedata.name(letter, "").startswith(("LATIN", "FULLWIDTH LATIN"))]
    if 2 * len(others) > len(letters):
        return f"{''.join(others[:20])!r} is not written in Latin letters"
    words = [word.lower() for word in _words(unquoted)]
    english = sum(map(_looks_english, words))
    language, found = max(
        ((name, [word for word in words if word in known]) for name, known in _FOREIGN.items()),
        key=lambda item: len(item[1]),
    )
    if len(found) > english:
        return f"{', '.join(dict.fromkeys(found[:5]))}: this is {language}"
    return "" if english or len({*words}) < _FEW else f"no word of {text[:60]!r} is known as English"


def _looks_english(word: str) -> bool:
    return is_english_word(word) or (len(word) > 4 and word.endswith(("ing", "ed", "ly", "ish", "ness")))


def _words(text: str) -> list[str]:
    """The words; of "don't" the first part, of "d'un" both."""
    return [word for word in _WORD.findall(text) if word.lower() not in _LETTER_NAMES or not word.isascii()]
