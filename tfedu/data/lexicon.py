"""The words of the grammar corpus in both languages, and the forms that German gives them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

Case = Literal["nom", "acc", "dat", "gen"]
Gender = Literal["m", "f", "n"]
Agreement = Literal["ich", "sg", "pl"]  # first person singular, third person singular, any plural
Time = Literal["now", "then"]


# --- Nouns, articles, adjectives ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Noun:
    """A noun; `genitive` is empty where the grammar makes no possessor of it, `plural` where it has none."""

    german: str
    gender: Gender
    plural: str
    genitive: str
    english: str
    english_plural: str
    kind: str

    def form(self, case: Case, plural: bool) -> str:
        """The German form."""
        if plural:
            return self.plural + "n" if case == "dat" and self.plural[-1] not in "ns" else self.plural
        return self.genitive if case == "gen" else self.german


# German, gender, plural, genitive, English singular, plural ("-": not used; "_": two words)
_NOUN_TABLE = {
    "person": """
        Mann m Männer Mannes man men
        Frau f Frauen - woman women
        Kind n Kinder Kindes child children
        Lehrer m Lehrer Lehrers teacher teachers
        Freund m Freunde Freundes friend friends
        Mädchen n Mädchen Mädchens girl girls
        Arzt m Ärzte Arztes doctor doctors
        Mutter f Mütter - mother mothers
        Vater m Väter Vaters father fathers
        Schwester f Schwestern - sister sisters
        Bruder m Brüder Bruders brother brothers
        König m Könige Königs king kings
        Königin f Königinnen - queen queens
        Gast m Gäste Gastes guest guests""",
    "animal": """
        Hund m Hunde - dog dogs
        Katze f Katzen - cat cats
        Pferd n Pferde - horse horses
        Vogel m Vögel - bird birds""",
    "text": """
        Buch n Bücher - book books
        Brief m Briefe - letter letters
        Zeitung f Zeitungen - newspaper newspapers
        Geschichte f Geschichten - story stories""",
    "food": """
        Apfel m Äpfel - apple apples
        Ei n Eier - egg eggs
        Birne f Birnen - pear pears
        Apfelkuchen m Apfelkuchen - apple_cake apple_cakes""",
    "goods": """
        Hut m Hüte - hat hats
        Jacke f Jacken - jacket jackets
        Uhr f Uhren - watch watches
        Schlüssel m Schlüssel - key keys
        Bild n Bilder - picture pictures
        Regenschirm m Regenschirme - umbrella umbrellas
        Fahrrad n Fahrräder - bicycle bicycles
        Reisetasche f Reisetaschen - travel_bag travel_bags""",
    "opening": """
        Tür f Türen - door doors
        Fenster n Fenster - window windows
        Koffer m Koffer - suitcase suitcases""",
    "place": """
        Garten m - - garden -
        Stadt f - - city -
        Haus n - - house -
        Küche f - - kitchen -
        Park m - - park -
        Schule f - - school -
        Wald m - - forest -
        Dorf n - - village -
        Schwimmbad n - - swimming_pool -
        Wohnzimmer n - - living_room -""",
    "stop": """
        Bahnhof m - - train_station -
        Bushaltestelle f - - bus_stop -
        Brücke f - - bridge -
        Spielplatz m - - playground -""",
}


def _read_nouns() -> dict[str, list[Noun]]:
    nouns: dict[str, list[Noun]] = {}
    for kind, table in _NOUN_TABLE.items():
        for line in table.strip().splitlines():
            german, gender, plural, genitive, english, english_plural = (
                "" if cell == "-" else cell.replace("_", " ") for cell in line.split()
            )
            assert gender in ("m", "f", "n"), line
            nouns.setdefault(kind, []).append(
                Noun(german, gender, plural, genitive, english, english_plural, kind)  # type: ignore[arg-type]
            )
    return nouns


NOUNS = _read_nouns()
LIVING = ("person", "animal")
THINGS = ("text", "food", "goods", "opening")

# stem, English, the kinds of noun it can describe
ADJECTIVES = [
    ("alt", "old", "person animal text goods opening place stop"),
    ("klein", "small", "person animal text food goods opening place stop"),
    ("schön", "beautiful", "person animal text goods opening place"),
    ("neu", "new", "text goods opening place stop"),
    ("jung", "young", "person animal"),
    ("freundlich", "friendly", "person animal"),
    ("schwarz", "black", "animal goods opening"),
    ("rot", "red", "food goods opening"),
    ("gut", "good", "person text food"),
]
DESCRIBE = {
    kind: [(stem, english) for stem, english, kinds in ADJECTIVES if kind in kinds.split()] for kind in NOUNS
}

# Endings by case, in the order masculine, feminine, neuter, plural.
DER = {
    "nom": ("der", "die", "das", "die"),
    "acc": ("den", "die", "das", "die"),
    "dat": ("dem", "der", "dem", "den"),
    "gen": ("des", "der", "des", "der"),
}
DIES = {
    "nom": ("er", "e", "es", "e"),
    "acc": ("en", "e", "es", "e"),
    "dat": ("em", "er", "em", "en"),
    "gen": ("es", "er", "es", "er"),
}
MEIN = DIES | {"nom": ("", "e", "", "e"), "acc": ("en", "e", "", "e")}
CONTRACTIONS = {
    ("in", "dem"): "im",
    ("in", "das"): "ins",
    ("an", "dem"): "am",
    ("zu", "dem"): "zum",
    ("zu", "der"): "zur",
}
# "mein Mann" and "die Frau des Arztes" are a husband and a wife: these two nouns have no owner here.
UNOWNED = ("Mann", "Frau")
DEFINITE = ("der", "der", "der", "dies", "mein")
SINGULAR = (*DEFINITE, "ein", "ein")
PLURAL = (*DEFINITE, "zwei", "drei", "viel")
ENGLISH_ARTICLE = {
    "der": ("the", "the"),
    "dies": ("this", "these"),
    "mein": ("my", "my"),
    "ein": ("a", ""),
    "zwei": ("", "two"),
    "drei": ("", "three"),
    "viel": ("", "many"),
}


def column(gender: Gender, plural: bool) -> int:
    """Where a gender and number stand in the tables above."""
    return 3 if plural else "mfn".index(gender)


def article(which: str, case: Case, gender: Gender, plural: bool) -> str:
    """The article, or the word in its place, as it agrees with its noun."""
    at = column(gender, plural)
    if which == "der":
        return DER[case][at]
    if which in ("dies", "viel"):
        return which + DIES[case][at]
    if which in ("ein", "mein"):
        return which + MEIN[case][at]
    return which  # zwei, drei


def adjective_ending(which: str, case: Case, gender: Gender, plural: bool) -> str:
    """Weak after der and dies-, mixed after ein and mein, strong after the numbers."""
    if plural:
        return "e" if which in ("zwei", "drei", "viel") and case in ("nom", "acc") else "en"
    if case in ("dat", "gen") or (case == "acc" and gender == "m"):
        return "en"
    if which in ("ein", "mein"):
        return {"m": "er", "f": "e", "n": "es"}[gender]
    return "e"


# --- Verbs -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Verb:
    """A verb in both languages.

    `frame` says what it needs: nothing more (alone), a direction (go), an object in the accusative or dative
    (acc, dat), both, an object with a `preposition` (about), or a clause. `subjects` and `objects` are kinds
    of noun, `case` is the last object's; `particle` is the part of a separable verb that goes to the end.
    """

    frame: str
    infinitive: str
    third: str
    preterite: str
    participle: str
    auxiliary: str
    particle: str
    english: tuple[str, str, str, str]  # base, third person, past, participle
    subjects: tuple[str, ...]
    objects: tuple[str, ...]
    preposition: tuple[str, str]
    case: Case
    manner: bool

    def finite(self, past: bool, agreement: Agreement) -> str:
        """The finite form, without the particle."""
        if past:
            plural = self.preterite + ("n" if self.preterite.endswith("e") else "en")
            return plural if agreement == "pl" else self.preterite
        return {"ich": self.infinitive[:-1], "sg": self.third, "pl": self.infinitive}[agreement]


# frame: [particle+]infinitive third preterite participle auxiliary = base third past participle
#        : subjects [: kinds of object] [: preposition, its translation, its case]
#        "!" takes an adverb of manner
_VERB_TABLE = """
    alone: schlafen schläft schlief geschlafen haben = sleep sleeps slept slept : person animal
    alone: arbeiten! arbeitet arbeitete gearbeitet haben = work works worked worked : person
    alone: spielen spielt spielte gespielt haben = play plays played played : person animal
    alone: singen! singt sang gesungen haben = sing sings sang sung : person
    alone: warten wartet wartete gewartet haben = wait waits waited waited : person animal
    alone: an+kommen kommt kam gekommen sein = arrive arrives arrived arrived : person
    go: gehen! geht ging gegangen sein = go goes went gone : person
    go: kommen kommt kam gekommen sein = come comes came come : person
    acc: sehen sieht sah gesehen haben = see sees saw seen : person animal : person animal text food goods opening
    acc: suchen sucht suchte gesucht haben = look_for looks_for looked_for looked_for : person : animal text goods
    acc: finden findet fand gefunden haben = find finds found found : person : person animal text food goods
    acc: kaufen kauft kaufte gekauft haben = buy buys bought bought : person : text food goods
    acc: lesen! liest las gelesen haben = read reads read read : person : text
    acc: schreiben! schreibt schrieb geschrieben haben = write writes wrote written : person : text
    acc: essen! isst aß gegessen haben = eat eats ate eaten : person : food
    acc: an+rufen ruft rief gerufen haben = call calls called called : person : person
    acc: ein+laden lädt lud geladen haben = invite invites invited invited : person : person
    acc: auf+machen! macht machte gemacht haben = open opens opened opened : person : opening
    acc: mit+bringen bringt brachte gebracht haben = bring brings brought brought : person : text food goods
    dat: helfen hilft half geholfen haben = help helps helped helped : person : person animal
    dat: danken dankt dankte gedankt haben = thank thanks thanked thanked : person : person
    dat: folgen folgt folgte gefolgt sein = follow follows followed followed : person animal : person animal
    both: geben gibt gab gegeben haben = give gives gave given : person : text food goods
    both: zeigen zeigt zeigte gezeigt haben = show shows showed shown : person : animal text goods
    about: warten wartet wartete gewartet haben = wait waits waited waited : person animal : person animal : auf for acc
    about: spielen spielt spielte gespielt haben = play plays played played : person animal : person animal : mit with dat
    clause: sagen sagt sagte gesagt haben = say says said said : person
    clause: glauben glaubt glaubte geglaubt haben = believe believes believed believed : person
"""  # noqa: E501


def _read_verbs() -> list[Verb]:
    verbs = []
    for line in _VERB_TABLE.strip().splitlines():
        frame, rest = line.strip().split(": ", 1)
        forms, subjects, objects, preposition, *_ = (*rest.split(" : "), "", "")
        german, english = forms.split(" = ")
        infinitive, third, preterite, participle, auxiliary = german.split()
        particle, _, infinitive = infinitive.rpartition("+")
        base, english_third, past, english_participle = (cell.replace("_", " ") for cell in english.split())
        before, english_before, case = preposition.split() if preposition else ("", "", "acc")
        verbs.append(
            Verb(
                frame=frame,
                infinitive=infinitive.rstrip("!"),
                third=third,
                preterite=preterite,
                participle=participle,
                auxiliary=auxiliary,
                particle=particle,
                english=(base, english_third, past, english_participle),
                subjects=tuple(subjects.split()),
                objects=tuple(objects.split()),
                preposition=(before, english_before),
                case="dat" if "dat" in (frame, case) else "acc",
                manner=infinitive.endswith("!"),
            )
        )
    return verbs


VERBS = _read_verbs()

# The words that a frame asks for beside its subject and its verb.
COST = {"alone": 0, "go": 3, "acc": 2, "dat": 2, "both": 4, "about": 3, "clause": 0}


@dataclass(frozen=True)
class Helper:
    """An auxiliary or a modal: what is finite while the verb waits at the clause's end."""

    present: tuple[str, str, str]  # ich, third singular, plural
    past: tuple[str, str]  # singular, plural
    english: tuple[str, str, str]  # base, third person, past
    to: bool = False  # "wants to", and "does not want to"

    def finite(self, past: bool, agreement: Agreement) -> str:
        """The German finite form."""
        if past:
            return self.past[agreement == "pl"]
        return self.present[("ich", "sg", "pl").index(agreement)]


HAVE = Helper(("habe", "hat", "haben"), ("hatte", "hatten"), ("have", "has", "had"))
BE = Helper(("bin", "ist", "sind"), ("war", "waren"), ("have", "has", "had"))
WILL = Helper(("werde", "wird", "werden"), ("", ""), ("will", "will", ""))
CAN = Helper(("kann", "kann", "können"), ("konnte", "konnten"), ("can", "can", "could"))
MUST = Helper(("muss", "muss", "müssen"), ("", ""), ("must", "must", ""))
SHOULD = Helper(("soll", "soll", "sollen"), ("", ""), ("should", "should", ""))
WANT = Helper(("will", "will", "wollen"), ("wollte", "wollten"), ("want", "wants", "wanted"), to=True)

# --- Small words -------------------------------------------------------------------------------------------

# German, English, the tenses it goes with
TIME_ADVERBS = [
    ("heute", "today", "present future modal past"),
    ("gestern", "yesterday", "past"),
    ("morgen", "tomorrow", "future"),
    ("jetzt", "now", "present"),
    ("bald", "soon", "future"),
]
FIRST_ADVERBS = [
    ("leider", "unfortunately", "present future modal past perfect"),
    ("vielleicht", "perhaps", "present future past perfect"),
    ("plötzlich", "suddenly", "past"),
]
OFTEN = [("oft", "often"), ("immer", "always"), ("manchmal", "sometimes"), ("selten", "rarely")]
MANNER = [("schnell", "quickly"), ("langsam", "slowly"), ("leise", "quietly")]


@dataclass(frozen=True)
class Conjunction:
    """What opens a subordinate clause, the times it fits, and the tenses it asks of its clause.

    With a temporal one the clause above is not in the perfect, and the clause itself is not negated.
    """

    german: str
    english: str
    times: tuple[Time, ...]
    tenses: tuple[str, ...]
    temporal: bool


SIMPLE = ("present", "future", "modal", "past")
ANY = (*SIMPLE, "perfect")
CONJUNCTIONS = [
    Conjunction("weil", "because", ("now", "then"), ANY, temporal=False),
    Conjunction("obwohl", "although", ("now", "then"), ANY, temporal=False),
    Conjunction("wenn", "when", ("now",), ("present", "modal"), temporal=True),
    Conjunction("als", "when", ("then",), ("past",), temporal=True),
    Conjunction("während", "while", ("now", "then"), ("present", "past"), temporal=True),
    Conjunction("bevor", "before", ("now", "then"), ("present", "past"), temporal=True),
    Conjunction("nachdem", "after", ("now", "then"), ("perfect",), temporal=True),
    Conjunction("sobald", "as soon as", ("now", "then"), ("present", "past"), temporal=True),
]
COORDINATORS = [("und", "and"), ("aber", "but")]
PLACES = [("in", "in"), ("in", "in"), ("hinter", "behind")]
STOPS = [("an", "at"), ("vor", "in front of"), ("neben", "next to")]
DIRECTIONS = [("aus", "out of"), ("in", "into"), ("zu", "to")]
PRONOUNS: list[tuple[str, str, Agreement]] = [
    ("er", "he", "sg"),
    ("sie", "she", "sg"),
    ("sie", "they", "pl"),
    ("wir", "we", "pl"),
    ("ich", "I", "ich"),
]
OBJECT_PRONOUNS: dict[str, list[tuple[str, str]]] = {
    "acc": [("ihn", "him"), ("mich", "me"), ("uns", "us")],
    "dat": [("ihm", "him"), ("mir", "me"), ("uns", "us")],
}


# --- All words ---------------------------------------------------------------------------------------------


def _noun_words() -> Iterable[tuple[str, str]]:
    """Each form of a noun, with each word that can stand before it."""
    for kind, nouns in NOUNS.items():
        living, place = kind in LIVING, kind in ("place", "stop")
        cases: tuple[Case, ...] = ("nom", "acc", "dat") if living else ("acc", "dat") if place else ("acc",)
        for noun in nouns:
            uses: list[tuple[str, Case, bool]] = [
                (which, case, plural)
                for case in cases
                for plural in ((False, True) if noun.plural else (False,))
                for which in (PLURAL if plural else SINGULAR)
            ]
            if noun.genitive:
                uses += [("der", "gen", False), ("mein", "gen", False)]
            for which, case, plural in uses:
                ending = adjective_ending(which, case, noun.gender, plural)
                yield article(which, case, noun.gender, plural), ENGLISH_ARTICLE[which][plural]
                yield noun.form(case, plural), noun.english_plural if plural else noun.english
                for stem, english in DESCRIBE[kind]:
                    yield stem + ending, english


def _verb_words() -> Iterable[tuple[str, str]]:
    for verb in VERBS:
        finite = [verb.finite(past, who) for past in (False, True) for who in get_args(Agreement)]
        last = [verb.particle + form for form in (*finite, verb.infinitive, verb.participle)]
        yield " ".join((*finite, *last, verb.particle)), " ".join(verb.english)
        yield verb.preposition
    for helper in (HAVE, BE, WILL, CAN, MUST, SHOULD, WANT):
        yield " ".join(helper.present + helper.past), " ".join(helper.english)


def vocabulary(language: Literal["de", "en"]) -> list[str]:
    """Each word that the grammar can write in German ("de") or English ("en"), sorted, full stop included.

    Raises ValueError for another language.
    """
    if language not in ("de", "en"):
        raise ValueError(f'language must be "de" or "en", got {language!r}')
    pairs = [
        *_noun_words(),
        *_verb_words(),
        *((row[0], row[1]) for row in (*TIME_ADVERBS, *FIRST_ADVERBS, *PRONOUNS)),
        *((conjunction.german, conjunction.english) for conjunction in CONJUNCTIONS),
        *(OFTEN + MANNER + PLACES + STOPS + DIRECTIONS + COORDINATORS),
        *(OBJECT_PRONOUNS["acc"] + OBJECT_PRONOUNS["dat"]),
        (" ".join(CONTRACTIONS.values()), "an of to"),
        ("dass", "that"),
        ("nicht", "do does did not cannot"),
        ("", "who whom which"),  # the German relative pronouns are articles too
        (".", "."),
    ]
    side = 0 if language == "de" else 1
    return sorted({word for pair in pairs for word in pair[side].split()})
