"""A German→English translation corpus made by a grammar, with gold word alignments.

A real corpus has no certain alignment and no certain translation. This one has both: each sentence is
built in the two languages at once, and each word carries the meanings it expresses. **Two words are
linked when they share a meaning.** So the links are true by construction, whatever the word order.

What German does that English does not, all of it here: the verb ends a subordinate clause (*weil der Mann
das Buch liest*) and comes second in a main one, before the subject if something else is first (*heute
liest der Mann*); participles and infinitives end the clause; a separable verb ends up in two places
(*ruft ... an*, calls); articles and adjectives agree in gender, case and number; one word can be several
(*im*, in the; *Bahnhof*, train station; *sobald*, as soon as).

Conventions of the gold:

- Every word on either side is linked, articles to articles, the full stop to the full stop.
- A contraction has both its parts' meanings: *im* to "in" and "the". So has *cannot*: *kann* and *nicht*.
- A separable verb is linked as a whole: "calls" to *ruft* and to *an*.
- "does not", "do not", "did not" are linked to *nicht*: take *nicht* away and both words go.
- The "to" of an infinitive is linked to the German infinitive; the "of" of a genitive to its article.
- There are no commas. German would need one at each clause border and English would not, so they would be
  words without a partner, and the end of a clause must be seen from its verb.
- Each word has one spelling (the first word of a sentence gets no capital), and each German sentence has
  one translation: tense follows the German form, *sie* is "she" or "they" by its verb, and a relative
  clause is only built where its case can be seen or the other reading would make no sense.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

SHORTEST, LONGEST = 4, 60

Case = Literal["nom", "acc", "dat", "gen"]
Gender = Literal["m", "f", "n"]
Agreement = Literal["ich", "sg", "pl"]  # first person singular, third person singular, any plural
Order = Literal["second", "final"]  # where German puts the finite verb
Time = Literal["now", "then"]


# --- Two languages at once ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pair:
    """A German sentence, its English translation, and which words translate which.

    `links` holds (i, j) when source word i and target word j, both counted from 0, share a meaning.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    links: frozenset[tuple[int, int]]

    def __str__(self) -> str:
        return " ".join(self.source) + "\n" + " ".join(self.target)

    def crossing(self) -> float:
        """Share of the pairs of links that cross: 0 for word by word, 1 for a mirrored sentence."""
        links = sorted(self.links)
        pairs = [(a, b) for n, a in enumerate(links) for b in links[n + 1 :] if a[0] != b[0] and a[1] != b[1]]
        crossed = sum((a[0] - b[0]) * (a[1] - b[1]) < 0 for a, b in pairs)
        return crossed / len(pairs) if pairs else 0.0


class Meaning:
    """One thing that is said, whatever the words: two words that hold the same object are linked."""


class Word(NamedTuple):
    """A word with the meanings it expresses."""

    text: str
    meanings: tuple[Meaning, ...]


Words = tuple[Word, ...]


class Span(NamedTuple):
    """The same phrase in German (`source`) and in English (`target`); either may be empty."""

    source: Words = ()
    target: Words = ()


def _words(text: str, *meanings: Meaning) -> Words:
    return tuple(Word(word, meanings) for word in text.split())


def _unit(german: str, english: str) -> Span:
    """Words that mean one thing together: each German word is linked to each English one."""
    meaning = Meaning()
    return Span(_words(german, meaning), _words(english, meaning))


def _weave(german: Iterable[Span], english: Iterable[Span]) -> Span:
    """The same spans, put in one order in German and in another in English."""
    return Span(
        tuple(word for span in german for word in span.source),
        tuple(word for span in english for word in span.target),
    )


def _join(*spans: Span) -> Span:
    return _weave(spans, spans)


def _pair(span: Span) -> Pair:
    where: dict[Meaning, list[int]] = {}
    for i, word in enumerate(span.source):
        for meaning in word.meanings:
            where.setdefault(meaning, []).append(i)
    links = frozenset(
        (i, j)
        for j, word in enumerate(span.target)
        for meaning in word.meanings
        for i in where.get(meaning, ())
    )
    return Pair(tuple(w.text for w in span.source), tuple(w.text for w in span.target), links)


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


_NOUNS = _read_nouns()
_LIVING = ("person", "animal")
_THINGS = ("text", "food", "goods", "opening")

# stem, English, the kinds of noun it can describe
_ADJECTIVES = [
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
_DESCRIBE = {
    kind: [(stem, english) for stem, english, kinds in _ADJECTIVES if kind in kinds.split()]
    for kind in _NOUNS
}

# Endings by case, in the order masculine, feminine, neuter, plural.
_DER = {
    "nom": ("der", "die", "das", "die"),
    "acc": ("den", "die", "das", "die"),
    "dat": ("dem", "der", "dem", "den"),
    "gen": ("des", "der", "des", "der"),
}
_DIES = {
    "nom": ("er", "e", "es", "e"),
    "acc": ("en", "e", "es", "e"),
    "dat": ("em", "er", "em", "en"),
    "gen": ("es", "er", "es", "er"),
}
_MEIN = _DIES | {"nom": ("", "e", "", "e"), "acc": ("en", "e", "", "e")}
_CONTRACTIONS = {
    ("in", "dem"): "im",
    ("in", "das"): "ins",
    ("an", "dem"): "am",
    ("zu", "dem"): "zum",
    ("zu", "der"): "zur",
}
# "mein Mann" and "die Frau des Arztes" are a husband and a wife: these two nouns have no owner here.
_UNOWNED = ("Mann", "Frau")
_DEFINITE = ("der", "der", "der", "dies", "mein")
_SINGULAR = (*_DEFINITE, "ein", "ein")
_PLURAL = (*_DEFINITE, "zwei", "drei", "viel")
_ENGLISH_ARTICLE = {
    "der": ("the", "the"),
    "dies": ("this", "these"),
    "mein": ("my", "my"),
    "ein": ("a", ""),
    "zwei": ("", "two"),
    "drei": ("", "three"),
    "viel": ("", "many"),
}


def _column(gender: Gender, plural: bool) -> int:
    return 3 if plural else "mfn".index(gender)


def _article(which: str, case: Case, gender: Gender, plural: bool) -> str:
    """The article, or the word in its place, as it agrees with its noun."""
    column = _column(gender, plural)
    if which == "der":
        return _DER[case][column]
    if which in ("dies", "viel"):
        return which + _DIES[case][column]
    if which in ("ein", "mein"):
        return which + _MEIN[case][column]
    return which  # zwei, drei


def _adjective_ending(which: str, case: Case, gender: Gender, plural: bool) -> str:
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

    `objects` are the kinds of noun that its (last) object may be, `particle` the part of a separable verb that
    goes to the end, `preposition` (German, English, case) what stands before its object.
    """

    infinitive: str
    third: str
    preterite: str
    participle: str
    auxiliary: str
    english: tuple[str, str, str, str]  # base, third person, past, participle
    frame: str
    subjects: tuple[str, ...]
    objects: tuple[str, ...] = ()
    particle: str = ""
    preposition: tuple[str, str, Case] | None = None
    manner: bool = False

    def finite(self, past: bool, agreement: Agreement) -> str:
        """The finite form, without the particle."""
        if past:
            plural = self.preterite + ("n" if self.preterite.endswith("e") else "en")
            return plural if agreement == "pl" else self.preterite
        return {"ich": self.infinitive[:-1], "sg": self.third, "pl": self.infinitive}[agreement]


# frame: [particle+]infinitive third preterite participle auxiliary = base third past participle
#        : subjects [: objects] [manner]
_VERB_TABLE = """
    alone: schlafen schläft schlief geschlafen haben = sleep sleeps slept slept : living
    alone: arbeiten arbeitet arbeitete gearbeitet haben = work works worked worked : person : manner
    alone: spielen spielt spielte gespielt haben = play plays played played : living
    alone: singen singt sang gesungen haben = sing sings sang sung : person : manner
    alone: warten wartet wartete gewartet haben = wait waits waited waited : living
    alone: an+kommen kommt kam gekommen sein = arrive arrives arrived arrived : person
    go: gehen geht ging gegangen sein = go goes went gone : person : manner
    go: kommen kommt kam gekommen sein = come comes came come : person
    acc: sehen sieht sah gesehen haben = see sees saw seen : living : person animal text food goods opening
    acc: suchen sucht suchte gesucht haben = look_for looks_for looked_for looked_for : living : person animal text goods
    acc: finden findet fand gefunden haben = find finds found found : living : person animal text food goods
    acc: kaufen kauft kaufte gekauft haben = buy buys bought bought : person : text food goods opening
    acc: lesen liest las gelesen haben = read reads read read : person : text : manner
    acc: schreiben schreibt schrieb geschrieben haben = write writes wrote written : person : text : manner
    acc: essen isst aß gegessen haben = eat eats ate eaten : person : food : manner
    acc: an+rufen ruft rief gerufen haben = call calls called called : person : person
    acc: ein+laden lädt lud geladen haben = invite invites invited invited : person : person
    acc: auf+machen macht machte gemacht haben = open opens opened opened : person : opening : manner
    acc: mit+bringen bringt brachte gebracht haben = bring brings brought brought : person : animal text food goods
    dat: helfen hilft half geholfen haben = help helps helped helped : person : person animal
    dat: danken dankt dankte gedankt haben = thank thanks thanked thanked : person : person
    dat: folgen folgt folgte gefolgt sein = follow follows followed followed : living : person animal
    both: geben gibt gab gegeben haben = give gives gave given : person : text food goods
    both: zeigen zeigt zeigte gezeigt haben = show shows showed shown : person : animal text goods
    clause: sagen sagt sagte gesagt haben = say says said said : person
    clause: glauben glaubt glaubte geglaubt haben = believe believes believed believed : person
"""


def _read_verbs() -> list[Verb]:
    verbs = []
    for line in _VERB_TABLE.strip().splitlines():
        (frame, rest), columns = line.strip().split(": ", 1), []
        forms, *columns = (cell.strip() for cell in rest.split(" : "))
        german, english = forms.split(" = ")
        infinitive, third, preterite, participle, auxiliary = german.split()
        particle, _, infinitive = infinitive.rpartition("+")
        base, s, past, perfect = (cell.replace("_", " ") for cell in english.split())
        subjects = _LIVING if columns[0] == "living" else tuple(columns[0].split())
        objects = tuple(kind for cell in columns[1:] for kind in cell.split() if kind != "manner")
        verbs.append(
            Verb(
                infinitive,
                third,
                preterite,
                participle,
                auxiliary,
                (base, s, past, perfect),
                frame,
                subjects,
                objects,
                particle,
                manner=columns[-1] == "manner",
            )
        )
    wait, play = (next(v for v in verbs if v.infinitive == name) for name in ("warten", "spielen"))
    for verb, preposition in ((wait, ("auf", "for", "acc")), (play, ("mit", "with", "dat"))):
        verbs.append(
            Verb(
                verb.infinitive,
                verb.third,
                verb.preterite,
                verb.participle,
                verb.auxiliary,
                verb.english,
                "preposition",
                verb.subjects,
                _LIVING,
                preposition=preposition,  # type: ignore[arg-type]
            )
        )
    return verbs


_VERBS = _read_verbs()


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


_HAVE = Helper(("habe", "hat", "haben"), ("hatte", "hatten"), ("have", "has", "had"))
_BE = Helper(("bin", "ist", "sind"), ("war", "waren"), ("have", "has", "had"))
_WILL = Helper(("werde", "wird", "werden"), ("", ""), ("will", "will", ""))
_CAN = Helper(("kann", "kann", "können"), ("konnte", "konnten"), ("can", "can", "could"))
_MUST = Helper(("muss", "muss", "müssen"), ("", ""), ("must", "must", ""))
_SHOULD = Helper(("soll", "soll", "sollen"), ("", ""), ("should", "should", ""))
_WANT = Helper(("will", "will", "wollen"), ("wollte", "wollten"), ("want", "wants", "wanted"), to=True)

# --- Small words -------------------------------------------------------------------------------------------

# German, English, the tenses it goes with
_TIME_ADVERBS = [
    ("heute", "today", "present future modal past"),
    ("gestern", "yesterday", "past"),
    ("morgen", "tomorrow", "future"),
    ("jetzt", "now", "present"),
    ("bald", "soon", "future"),
]
_FIRST_ADVERBS = [
    ("leider", "unfortunately", "present future modal past perfect"),
    ("vielleicht", "perhaps", "present future past perfect"),
    ("plötzlich", "suddenly", "past"),
]
_OFTEN = [("oft", "often"), ("immer", "always"), ("manchmal", "sometimes"), ("selten", "rarely")]
_MANNER = [("schnell", "quickly"), ("langsam", "slowly"), ("leise", "quietly")]


@dataclass(frozen=True)
class Conjunction:
    """What opens a subordinate clause, when it fits, and the tenses it asks of that clause."""

    german: str
    english: str
    times: tuple[Time, ...]
    tenses: tuple[str, ...]  # tried in the clause, as far as its time has them
    temporal: bool = True  # then the clause above it is not in the perfect


_SIMPLE = ("present", "future", "modal", "past")
_ANY = (*_SIMPLE, "perfect")
_CONJUNCTIONS = [
    Conjunction("weil", "because", ("now", "then"), _ANY, temporal=False),
    Conjunction("obwohl", "although", ("now", "then"), _ANY, temporal=False),
    Conjunction("wenn", "when", ("now",), ("present", "modal")),
    Conjunction("als", "when", ("then",), ("past",)),
    Conjunction("während", "while", ("now", "then"), ("present", "past")),
    Conjunction("bevor", "before", ("now", "then"), ("present", "past")),
    Conjunction("nachdem", "after", ("now", "then"), ("perfect",)),
    Conjunction("sobald", "as soon as", ("now", "then"), ("present", "past")),
]
_COORDINATORS = [("und", "and"), ("aber", "but")]
_PLACES = [("in", "in"), ("in", "in"), ("hinter", "behind")]
_STOPS = [("an", "at"), ("vor", "in front of"), ("neben", "next to")]
_DIRECTIONS = [("aus", "out of"), ("in", "into"), ("zu", "to")]
_PRONOUNS: list[tuple[str, str, Agreement]] = [
    ("er", "he", "sg"),
    ("sie", "she", "sg"),
    ("sie", "they", "pl"),
    ("wir", "we", "pl"),
    ("ich", "I", "ich"),
]
_OBJECT_PRONOUNS: dict[str, list[tuple[str, str]]] = {
    "acc": [("ihn", "him"), ("mich", "me"), ("uns", "us")],
    "dat": [("ihm", "him"), ("mir", "me"), ("uns", "us")],
}


# --- The writer --------------------------------------------------------------------------------------------


@dataclass
class Purse:
    """Words still to spend on what a clause may have but need not."""

    left: int

    def take(self, cost: int, chance: float, rng: random.Random) -> bool:
        """Spend `cost` words, if they are there and chance agrees."""
        if self.left < cost or rng.random() > chance:
            return False
        self.left -= cost
        return True


@dataclass(frozen=True)
class Phrase:
    """A noun phrase: `tail` is a relative clause, which German may move behind the verb."""

    span: Span
    agreement: Agreement
    tail: Span = field(default_factory=Span)
    visible: bool = False  # its form alone shows that it is no subject
    pronoun: bool = False


class VerbGroup(NamedTuple):
    """The verb's parts: three German places, and one English run (which holds a frequency adverb)."""

    finite: Words
    rest: Words
    negation: Words
    english: Words


class _Writer:
    """Writes sentences; all chance comes from one generator."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    # -- noun phrases

    def noun_phrase(
        self,
        nouns: Sequence[Noun],
        case: Case,
        purse: Purse,
        *,
        definite: bool = False,
        plural: bool | None = None,
        preposition: tuple[str, str] | None = None,
        relative: tuple[Time, int] | None = None,
        possessor: bool = True,
    ) -> Phrase:
        """An article, an adjective perhaps, a noun, its possessor perhaps, its relative clause perhaps."""
        rng = self.rng
        noun = rng.choice(nouns)
        if plural is None:
            plural = bool(noun.plural) and rng.random() < 0.3
        which = rng.choice(_DEFINITE if definite else _PLURAL if plural else _SINGULAR)
        if which == "mein" and noun.german in _UNOWNED:
            which = "der"
        article = _article(which, case, noun.gender, plural)
        english_article = _ENGLISH_ARTICLE[which][plural]

        spans = [_unit(noun.form(case, plural), noun.english_plural if plural else noun.english)]
        if purse.take(1, 0.35, rng):
            stem, english = rng.choice(_DESCRIBE[noun.kind])
            spans.insert(0, _unit(stem + _adjective_ending(which, case, noun.gender, plural), english))
        if english_article == "a" and spans[0].target[0].text[0] in "aeiou":
            english_article = "an"

        article_meaning = Meaning()
        opening = Span(_words(article, article_meaning), _words(english_article, article_meaning))
        if preposition is not None:
            opening = self._with_preposition(preposition, opening)
        phrase = _join(opening, *spans)

        owned = possessor and which in ("der", "dies") and noun.german not in _UNOWNED
        if owned and purse.take(2, 0.15, rng):
            phrase = _join(phrase, self._possessor(purse))
        tail = Span()
        if relative is not None and purse.left >= 4 and rng.random() < 0.5:
            tail = self._relative(noun, plural, purse, *relative)
        # Only a masculine singular accusative, or a dative with an article, looks unlike a nominative.
        visible = which not in ("zwei", "drei") and (
            case == "dat" or (case == "acc" and noun.gender == "m" and not plural)
        )
        return Phrase(phrase, "pl" if plural else "sg", tail, visible)

    def _with_preposition(self, preposition: tuple[str, str], article: Span) -> Span:
        before = _unit(*preposition)
        both = (preposition[0], article.source[0].text)
        if both not in _CONTRACTIONS:
            return _join(before, article)
        meanings = before.source[0].meanings + article.source[0].meanings
        return Span(_words(_CONTRACTIONS[both], *meanings), before.target + article.target)

    def _possessor(self, purse: Purse) -> Span:
        """`des Mannes`, of the man: only genitives that cannot be taken for a dative."""
        noun = self.rng.choice([noun for noun in _NOUNS["person"] if noun.genitive])
        which = "der" if noun.german in _UNOWNED else self.rng.choice(("der", "der", "mein"))
        article = _article(which, "gen", noun.gender, False)
        spans = [_unit(noun.genitive, noun.english)]
        if purse.take(1, 0.25, self.rng):
            stem, english = self.rng.choice(_DESCRIBE[noun.kind])
            spans.insert(0, _unit(stem + "en", english))
        return _join(_unit(article, "of " + _ENGLISH_ARTICLE[which][0]), *spans)

    def _relative(self, noun: Noun, plural: bool, purse: Purse, time: Time, depth: int) -> Span:
        """A relative clause, verb last; its role in the clause is always visible or the only sensible one."""
        rng, column = self.rng, _column(noun.gender, plural)
        budget = min(purse.left, rng.randint(4, 9))
        agreement: Agreement = "pl" if plural else "sg"
        living, person = noun.kind in _LIVING, noun.kind == "person"
        if living and rng.random() < 0.6:
            start = _unit(_DER["nom"][column], "who" if person else "which")
            subject = Phrase(Span(), agreement)
            marked = column == 0
            clause = self.clause(
                "final",
                budget - 1,
                time,
                depth + 1,
                opening=start,
                subject=subject,
                subject_kind=noun.kind,
                objects=None if marked else _THINGS,
            )
        else:
            start = _unit(_DER["acc"][column], "whom" if person else "which")
            clause = self.clause(
                "final",
                budget - 1,
                time,
                depth + 1,
                opening=start,
                frames=("acc",),
                gap=noun.kind,
                marked_subject=column != 0,
            )
        purse.left -= len(clause.source)
        return clause

    # -- verbs

    def verb_group(
        self,
        verb: Verb,
        tense: str,
        time: Time,
        agreement: Agreement,
        order: Order,
        negated: bool,
        often: Span,
    ) -> VerbGroup:
        """The verb in its tense: German pieces, and the English run with "not" or an adverb in its place."""
        past, meaning, nicht = time == "then", Meaning(), Meaning()
        base, third, english_past, participle = verb.english
        third_person = agreement == "sg"
        negation = _words("nicht", nicht) if negated else ()
        not_ = _words("not", nicht) if negated else ()
        do = _words("did" if past else "does" if third_person else "do", nicht)

        if tense in ("present", "past"):
            finite = verb.finite(past, agreement)
            if order == "final":
                german, rest = _words(verb.particle + finite, meaning), ()
            else:
                german, rest = _words(finite, meaning), _words(verb.particle, meaning)
            if negated:
                return VerbGroup(german, rest, negation, do + not_ + _words(base, meaning))
            english = english_past if past else third if third_person else base
            return VerbGroup(german, rest, negation, often.target + _words(english, meaning))

        aux_meaning = Meaning()
        if tense == "perfect":
            helper = _HAVE if verb.auxiliary == "haben" else _BE
            rest, main = verb.particle + verb.participle, _words(participle, meaning)
        else:
            helper = self._modal(tense, past, negated)
            rest, main = verb.particle + verb.infinitive, _words(base, meaning)
        finite = helper.finite(past, agreement)
        aux = helper.english[2 if past else 1 if third_person else 0]
        if tense != "perfect" and (helper.to or aux == "had"):
            main = _words("to", meaning) + main
        if negated and helper.to:
            aux_words = do + not_ + _words(helper.english[0], aux_meaning)
        elif negated and aux == "can":
            aux_words = _words("cannot", aux_meaning, nicht)
        elif helper.to:
            aux_words = often.target + _words(aux, aux_meaning)
        else:
            aux_words = _words(aux, aux_meaning) + not_ + often.target
        return VerbGroup(_words(finite, aux_meaning), _words(rest, meaning), negation, aux_words + main)

    def _modal(self, tense: str, past: bool, negated: bool) -> Helper:
        if tense == "future":
            return _WILL
        if past:
            return self.rng.choice((_CAN, _WANT))
        # "muss nicht" is not "must not", so must is never negated.
        return self.rng.choice((_CAN, _SHOULD, _WANT) if negated else (_CAN, _SHOULD, _WANT, _MUST))

    # -- clauses

    def clause(
        self,
        order: Order,
        budget: int,
        time: Time,
        depth: int,
        *,
        opening: Span | None = None,
        subject: Phrase | None = None,
        subject_kind: str = "person",
        objects: Sequence[str] | None = None,
        frames: Sequence[str] | None = None,
        gap: str | None = None,
        marked_subject: bool = False,
        tenses: Sequence[str] = _ANY,
        first: Span | None = None,
        complement: int = 0,
    ) -> Span:
        """One clause of about `budget` words.

        `opening` precedes it in both languages (a conjunction, a relative pronoun); `first` is a fronted
        subordinate clause, after which German has the verb. `subject` is given where it stands elsewhere;
        `gap` is the kind of an object that stands elsewhere. `marked_subject` asks for a subject that is
        visibly one. `complement` is the number of words for a clause with "that".
        """
        rng = self.rng
        tense = self._tense(tenses, time)
        simple = tense in ("present", "past")
        need_subject = subject is None

        # The verb: what the words allow.
        kinds = None if need_subject else subject_kind
        left = budget - 1 - (0 if simple else 1) - (1 if need_subject else 0)
        verb = self._verb(left, kinds, objects, frames, gap, bool(complement))
        cost = {
            "alone": 0,
            "go": 2,
            "acc": 0 if gap else 2,
            "dat": 2,
            "both": 4,
            "preposition": 3,
            "clause": 0,
        }
        purse = Purse(left - cost[verb.frame] - complement)
        negated = verb.frame not in ("both", "clause") and purse.take(1, 0.15, rng)

        if subject is None:
            subject = self._subject(verb, purse, time, depth, marked_subject)

        # Adverbs and places. What follows a relative clause would seem to belong to it: so one or the other.
        often, late, early, front = Span(), Span(), Span(), Span()
        fits_front = order == "second" and first is None and opening is None
        if not negated and tense in ("present", "past", "perfect") and purse.take(1, 0.15, rng):
            often = _unit(*rng.choice(_OFTEN))
        elif tense != "perfect" and not negated and verb.frame != "clause" and purse.take(1, 0.2, rng):
            times = [(de, en) for de, en, fits in _TIME_ADVERBS if tense in fits.split()]
            early = _unit(*rng.choice(times))
        elif verb.manner and not negated and purse.take(1, 0.25, rng):
            late = _unit(*rng.choice(_MANNER))
        where = Span()
        if verb.frame == "go":
            where = self._direction(verb, purse)
        elif verb.frame in ("alone", "acc", "preposition") and purse.take(3, 0.3, rng):
            where = self._place(purse)
        if fits_front and not early.source and purse.take(1, 0.3, rng):
            choices = _FIRST_ADVERBS + ([] if often.source else _TIME_ADVERBS)
            fitting = [(de, en) for de, en, fits in choices if tense in fits.split()]
            if fitting:
                front = _unit(*rng.choice(fitting))

        # Objects.
        plain = not (late.source or where.source or early.source)
        tail_from = (time, depth) if plain and depth < 2 and not complement else None
        nouns = [noun for kind in (objects or verb.objects) if kind in verb.objects for noun in _NOUNS[kind]]
        phrases: list[Phrase] = []
        if verb.frame == "both":
            receiver = self.noun_phrase(_NOUNS["person"], "dat", purse, possessor=False)
            phrases = [receiver, self.noun_phrase(nouns, "acc", purse, relative=tail_from)]
        elif verb.frame in ("acc", "dat") and not gap:
            case: Case = "acc" if verb.frame == "acc" else "dat"
            if "person" in verb.objects and objects is None and rng.random() < 0.15:
                german, english = rng.choice(_OBJECT_PRONOUNS[case])
                phrases = [Phrase(_unit(german, english), "sg", visible=False, pronoun=True)]
            else:
                phrases = [self.noun_phrase(nouns, case, purse, definite=negated, relative=tail_from)]
        elif verb.frame == "preposition":
            assert verb.preposition is not None
            german, english, case = verb.preposition
            about = self.noun_phrase(
                nouns, case, purse, preposition=(german, english), relative=tail_from, definite=negated
            )
            where = _join(about.span, where)
            phrases = [Phrase(Span(), "sg", about.tail)]
        tail = phrases[-1].tail if phrases else Span()
        if complement:
            tail = self.dependent(complement, time, _unit("dass", "that"))

        group = self.verb_group(verb, tense, time, subject.agreement, order, negated, often)
        finite, rest = Span(group.finite), Span(group.rest)
        verbs = Span(target=group.english)
        negation = Span(group.negation)
        often_german = Span(often.source)
        pronouns = [phrase.span for phrase in phrases if phrase.pronoun]
        full = [phrase.span for phrase in phrases if not phrase.pronoun]
        who = _join(subject.span, subject.tail)

        middle = [*pronouns, early, often_german, *full, negation, late, where]
        begin = opening or Span()
        if order == "final":
            german = [begin, who, *middle, rest, finite, tail]
        elif first is not None:
            german = [begin, first, finite, who, *middle, rest, tail]
        elif front.source:
            german = [begin, front, finite, who, *middle, rest, tail]
        elif early.source and rng.random() < 0.5 and subject.span.source:
            # The fronted time adverb leaves its place in the middle, and English fronts it too.
            middle.remove(early)
            return _weave(
                [begin, early, finite, who, *middle, rest, tail],
                [begin, early, who, verbs, *pronouns, *full, tail, late, where],
            )
        elif len(full) == 1 and phrases[0].visible and not tail.source and who.source and rng.random() < 0.25:
            # The object first: only where its case can be seen. English keeps its order.
            middle.remove(full[0])
            german = [begin, full[0], finite, who, *middle, rest]
        else:
            german = [begin, who, finite, *middle, rest, tail]
        english = [begin, first or Span(), front, who, verbs, *pronouns, *full]
        after = [late, where, early]
        english += [*after, tail] if verb.frame == "preposition" or complement else [tail, *after]
        return _weave(german, english)

    def _tense(self, tenses: Sequence[str], time: Time) -> str:
        if time == "now":
            weights = {"present": 4, "perfect": 2, "future": 1, "modal": 2}
        else:
            weights = {"past": 5, "perfect": 1, "modal": 2}
        fitting = [tense for tense in weights if tense in tenses]
        return self.rng.choices(fitting, [weights[tense] for tense in fitting])[0]

    def _verb(
        self,
        left: int,
        subject_kind: str | None,
        objects: Sequence[str] | None,
        frames: Sequence[str] | None,
        gap: str | None,
        complement: bool,
    ) -> Verb:
        need = {"alone": 0, "go": 3, "acc": 0 if gap else 2, "dat": 2, "both": 4, "preposition": 3}
        if complement:
            return self.rng.choice([verb for verb in _VERBS if verb.frame == "clause"])
        fitting = [
            verb
            for verb in _VERBS
            if verb.frame in (frames or need)
            and verb.frame != "clause"
            and need[verb.frame] <= max(left, 0)
            and (subject_kind is None or subject_kind in verb.subjects)
            and (gap is None or gap in verb.objects)
            and (not verb.objects or objects is None or set(objects) & set(verb.objects))
        ]
        return self.rng.choice(fitting)

    def _subject(self, verb: Verb, purse: Purse, time: Time, depth: int, marked: bool) -> Phrase:
        rng = self.rng
        if purse.left < 1 or rng.random() < 0.25:
            # "sie" could be an object, so it marks no subject.
            pronouns = [pronoun for pronoun in _PRONOUNS if not marked or pronoun[0] != "sie"]
            german, english, agreement = rng.choice(pronouns)
            return Phrase(_unit(german, english), agreement, pronoun=True)
        purse.left -= 1
        kinds = verb.subjects if rng.random() < 0.3 else ("person",)
        nouns = [noun for kind in kinds for noun in _NOUNS[kind]]
        if marked:
            nouns = [noun for noun in nouns if noun.gender == "m"]
        relative = (time, depth) if depth < 1 else None
        return self.noun_phrase(nouns, "nom", purse, plural=False if marked else None, relative=relative)

    def _place(self, purse: Purse) -> Span:
        kind, prepositions = self.rng.choice(
            (("place", _PLACES), ("place", _PLACES), ("place", _PLACES), ("stop", _STOPS))
        )
        return self.noun_phrase(
            _NOUNS[kind], "dat", purse, preposition=self.rng.choice(prepositions), plural=False
        ).span

    def _direction(self, verb: Verb, purse: Purse) -> Span:
        out, into, to = _DIRECTIONS
        preposition = out if verb.infinitive == "kommen" else self.rng.choice((into, to))
        case: Case = "acc" if preposition == into else "dat"
        nouns = _NOUNS["place"] + (_NOUNS["stop"] if preposition == to else [])
        return self.noun_phrase(nouns, case, purse, preposition=preposition, plural=False).span

    # -- sentences

    def subordinate(self, budget: int, time: Time, nest: bool = True) -> tuple[Span, bool]:
        """A clause with its conjunction, and perhaps one that depends on it; and whether it is temporal."""
        conjunction = self.rng.choice([c for c in _CONJUNCTIONS if time in c.times])
        start = _unit(conjunction.german, conjunction.english)
        return self.dependent(budget, time, start, conjunction.tenses, nest), conjunction.temporal

    def dependent(
        self, budget: int, time: Time, opening: Span, tenses: Sequence[str] = _ANY, nest: bool = True
    ) -> Span:
        """A verb-final clause, and perhaps a clause that depends on it."""
        if not nest or budget < 9 or self.rng.random() < 0.4:
            return self.clause("final", budget - 1, time, 1, opening=opening, tenses=tenses)
        share = self.rng.randint(4, budget - 5)
        below, temporal = self.subordinate(share, time, nest=False)
        if temporal:
            tenses = [tense for tense in tenses if tense in _SIMPLE] or tenses
        rest = budget - 1 - len(below.source)
        return _join(self.clause("final", rest, time, 1, opening=opening, tenses=tenses), below)

    def main(self, budget: int, time: Time, opening: Span | None) -> Span:
        """A main clause with what depends on it."""
        rng = self.rng
        room = budget - (len(opening.source) if opening else 0)
        if room >= 9 and rng.random() < 0.3:
            complement = rng.randint(5, min(room - 3, 18))
            return self.clause("second", room, time, 0, opening=opening, complement=complement)
        if room >= 9 and rng.random() < 0.75:
            below, temporal = self.subordinate(rng.randint(4, min(room - 4, 16)), time)
            tenses = _SIMPLE if temporal else _ANY
            rest = room - len(below.source)
            if rng.random() < 0.4:
                return self.clause("second", rest, time, 0, opening=opening, first=below, tenses=tenses)
            return _join(self.clause("second", rest, time, 0, opening=opening, tenses=tenses), below)
        return self.clause("second", room, time, 0, opening=opening)

    def sentence(self, length: int) -> Span:
        """A sentence of at most about `length` words with its full stop: main clauses, coordinated."""
        rng = self.rng
        time: Time = rng.choice(("now", "now", "then"))
        left = length - 1
        parts: list[Span] = []
        while left >= 4 or not parts:
            longest = left if left <= 14 and rng.random() < 0.6 else rng.randint(6, 24)
            opening = _unit(*rng.choice(_COORDINATORS)) if parts else None
            part = self.main(min(left, longest), time, opening)
            parts.append(part)
            left -= len(part.source)
            if rng.random() < 0.1:
                break
        return _join(*parts, _unit(".", "."))


# --- The corpus --------------------------------------------------------------------------------------------


def _noun_words() -> Iterable[Span]:
    """Each form of a noun with each word that can stand before it."""
    for kind, nouns in _NOUNS.items():
        living, place = kind in _LIVING, kind in ("place", "stop")
        cases: tuple[Case, ...] = ("nom", "acc", "dat") if living else ("acc", "dat") if place else ("acc",)
        for noun in nouns:
            uses: list[tuple[str, Case, bool]] = [
                (which, case, plural)
                for case in cases
                for plural in ((False, True) if noun.plural else (False,))
                for which in set(_PLURAL if plural else _SINGULAR)
            ]
            if noun.genitive:
                uses += [("der", "gen", False), ("mein", "gen", False)]
            for which, case, plural in uses:
                ending = _adjective_ending(which, case, noun.gender, plural)
                yield _unit(_article(which, case, noun.gender, plural), _ENGLISH_ARTICLE[which][plural])
                yield _unit(noun.form(case, plural), noun.english_plural if plural else noun.english)
                for stem, english in _DESCRIBE[kind]:
                    yield _unit(stem + ending, english)


def _verb_words() -> Iterable[Span]:
    agreements: tuple[Agreement, ...] = ("ich", "sg", "pl")
    for verb in _VERBS:
        finite = {verb.finite(past, who) for past in (False, True) for who in agreements}
        last = {verb.particle + form for form in (*finite, verb.infinitive, verb.participle)}
        yield _unit(" ".join((*finite, *last, verb.particle)), " ".join(verb.english))
    for helper in (_HAVE, _BE, _WILL, _CAN, _MUST, _SHOULD, _WANT):
        yield _unit(" ".join(helper.present + helper.past), " ".join(helper.english))


def vocabulary(language: Literal["de", "en"]) -> list[str]:
    """Each word that the grammar can write in German ("de") or English ("en"), sorted, full stop included.

    Raises ValueError for another language.
    """
    if language not in ("de", "en"):
        raise ValueError(f'language must be "de" or "en", got {language!r}')
    pairs = [
        *((german, english) for german, english, *_ in _TIME_ADVERBS + _FIRST_ADVERBS + _PRONOUNS),
        *_OFTEN,
        *_MANNER,
        *_PLACES,
        *_STOPS,
        *_DIRECTIONS,
        *_COORDINATORS,
        *_OBJECT_PRONOUNS["acc"],
        *_OBJECT_PRONOUNS["dat"],
        *((conjunction.german, conjunction.english) for conjunction in _CONJUNCTIONS),
        *((verb.preposition[0], verb.preposition[1]) for verb in _VERBS if verb.preposition),
        (" ".join(_CONTRACTIONS.values()), "an of"),
        ("dass", "that"),
        ("nicht", "do does did not cannot to"),
        ("der", "who whom which"),
        (".", "."),
    ]
    spans = [*_noun_words(), *_verb_words(), *(_unit(german, english) for german, english in pairs)]
    return sorted(
        {word.text for span in spans for word in (span.source if language == "de" else span.target)}
    )


def corpus(count: int, *, lengths: tuple[int, int] = (4, 25), seed: int = 0) -> list[Pair]:
    """`count` different sentence pairs, German to English, in a random order fixed by `seed`.

    The length is the number of source words, full stop included. Each length in `lengths` (both ends
    included) is equally frequent, except that the shortest sentences run out: there are only a few thousand
    of them, and the longer lengths then share the rest. For the same reason take training and test pairs from
    one call: two seeds share short sentences.

    Raises ValueError for a negative count and for lengths outside 4 to 60.
    """
    shortest, longest = lengths
    if not SHORTEST <= shortest <= longest <= LONGEST:
        raise ValueError(
            f"lengths must be (shortest, longest) with {SHORTEST} <= shortest <= longest <= {LONGEST}, "
            f"got {lengths}"
        )
    if count < 0:
        raise ValueError(f"count must be 0 or more, got {count}")
    rng = random.Random(seed)
    writer = _Writer(rng)
    pairs: list[Pair] = []
    seen: set[tuple[str, ...]] = set()
    open_lengths = list(range(shortest, longest + 1))
    while len(pairs) < count and open_lengths:
        missing = count - len(pairs)
        quota = {n: missing // len(open_lengths) for n in open_lengths}
        for n in rng.sample(open_lengths, missing % len(open_lengths)):
            quota[n] += 1
        wanted = [n for n in open_lengths if quota[n]]
        failures = dict.fromkeys(wanted, 0)
        while wanted:
            aim = rng.choice(wanted)
            span = writer.sentence(aim)
            n = len(span.source)
            words = tuple(word.text for word in span.source)
            if quota.get(n, 0) and words not in seen:
                seen.add(words)
                pairs.append(_pair(span))
                quota[n] -= 1
                failures[n] = 0
                if not quota[n]:
                    wanted.remove(n)
                continue
            failures[aim] += 1
            if failures[aim] > 500 and aim in wanted:  # all of this length are probably used
                wanted.remove(aim)
                open_lengths.remove(aim)
    if len(pairs) < count:
        raise ValueError(
            f"the grammar has too few sentences of {shortest} to {longest} words for {count} pairs "
            f"(about {len(pairs)}); allow longer ones or ask for fewer"
        )
    rng.shuffle(pairs)
    return pairs
