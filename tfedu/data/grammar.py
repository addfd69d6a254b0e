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
  clause is only built where its case can be seen or the other reading would make no sense. After a
  genitive it belongs to the noun before that: *der Hund des Mannes der schläft*, ... which sleeps.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from tfedu.data import lexicon as lex
from tfedu.data.lexicon import Agreement, Case, Time, vocabulary

__all__ = ["LONGEST", "SHORTEST", "Pair", "corpus", "vocabulary"]

SHORTEST, LONGEST = 4, 60

Order = Literal["second", "final"]  # where German puts the finite verb


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


NOTHING = Span()


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


class Phrase(NamedTuple):
    """A noun phrase; `tail` is its relative clause, which German moves behind the verb from an object."""

    span: Span
    agreement: Agreement = "sg"
    tail: Span = NOTHING
    visible: bool = False  # its form alone shows that it is no subject
    pronoun: bool = False
    first_person: bool = False


@dataclass
class Clause:
    """The parts of a clause, to be put in order."""

    opening: Span = NOTHING  # a conjunction or a relative pronoun
    subject: Span = NOTHING
    finite: Span = NOTHING  # the German finite verb
    apart: Span = NOTHING  # the German participle, infinitive or particle
    verbs: Span = NOTHING  # the whole English verb
    pronouns: list[Span] = field(default_factory=list)
    objects: list[Span] = field(default_factory=list)
    early: Span = NOTHING  # an adverb of time
    often: Span = NOTHING  # German only: the English one is among the verbs
    negation: Span = NOTHING  # German only, for the same reason
    late: Span = NOTHING  # an adverb of manner
    where: Span = NOTHING
    tail: Span = NOTHING  # a relative clause or a clause with "that"

    def arrange(self, order: Order, front: Span | None = None, adverbial: bool = False) -> Span:
        """Both languages in order; `front` stands before the German verb, and in English if `adverbial`."""
        front = self.subject if front is None else front
        middle = [self.subject, *self.pronouns, self.early, self.often, *self.objects]
        middle += [self.negation, self.late, self.where]
        if order == "final":
            german = [self.opening, *middle, self.apart, self.finite, self.tail]
        else:
            middle = [span for span in middle if span is not front]
            german = [self.opening, front, self.finite, *middle, self.apart, self.tail]
        english = [self.opening, front if adverbial else NOTHING, self.subject, self.verbs]
        english += [*self.pronouns, *self.objects, self.late, self.where]
        english += [NOTHING if adverbial and front is self.early else self.early, self.tail]
        return _weave(german, english)


class _Writer:
    """Writes sentences; all chance comes from one generator."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    # -- noun phrases

    def noun_phrase(
        self,
        kinds: Sequence[str],
        case: Case,
        purse: Purse,
        *,
        definite: bool = False,
        masculine: bool = False,
        preposition: tuple[str, str] = ("", ""),
        relative: tuple[Time, int] | None = None,
    ) -> Phrase:
        """An article or the like, a noun, and perhaps an adjective, an owner and a relative clause.

        `masculine` asks for a masculine singular, whose nominative cannot be taken for another case.
        """
        rng = self.rng
        nouns = [noun for kind in kinds for noun in lex.NOUNS[kind] if noun.gender == "m" or not masculine]
        noun = rng.choice(nouns)
        gender, plural = noun.gender, bool(noun.plural) and not masculine and rng.random() < 0.3
        which = rng.choice(lex.DEFINITE if definite else lex.PLURAL if plural else lex.SINGULAR)
        if which == "mein" and noun.german in lex.UNOWNED:
            which = "der"

        spans = [_unit(noun.form(case, plural), noun.english_plural if plural else noun.english)]
        if purse.take(1, 0.35, rng):
            stem, english = rng.choice(lex.DESCRIBE[noun.kind])
            spans.insert(0, _unit(stem + lex.adjective_ending(which, case, gender, plural), english))
        if which in ("der", "dies") and noun.german not in lex.UNOWNED and purse.take(2, 0.15, rng):
            spans.append(self._owner(purse))
        english_article = lex.ENGLISH_ARTICLE[which][plural]
        if english_article == "a" and spans[0].target[0].text[0] in "aeiou":
            english_article = "an"
        opening = self._opening(preposition, lex.article(which, case, gender, plural), english_article)

        tail = NOTHING
        if relative is not None and purse.left >= 4 and rng.random() < 0.5:
            tail = self._relative(noun, plural, purse, *relative)
        # Only a masculine singular accusative, or a dative with an article, looks unlike a nominative.
        visible = case == "dat" or (case == "acc" and gender == "m" and not plural)
        visible = visible and which not in ("zwei", "drei")
        return Phrase(_join(opening, *spans), "pl" if plural else "sg", tail, visible)

    def _opening(self, preposition: tuple[str, str], article: str, english_article: str) -> Span:
        """The preposition and the article, which German may contract."""
        german, english = preposition
        before, after = Meaning(), Meaning()
        target = _words(english, before) + _words(english_article, after)
        if (german, article) in lex.CONTRACTIONS:
            return Span(_words(lex.CONTRACTIONS[german, article], before, after), target)
        return Span(_words(german, before) + _words(article, after), target)

    def _owner(self, purse: Purse) -> Span:
        """*des Mannes*, of the man: only genitives that cannot be taken for a dative."""
        noun = self.rng.choice([noun for noun in lex.NOUNS["person"] if noun.genitive])
        which = "der" if noun.german in lex.UNOWNED else self.rng.choice(("der", "der", "mein"))
        spans = [_unit(noun.genitive, noun.english)]
        if purse.take(1, 0.25, self.rng):
            stem, english = self.rng.choice(lex.DESCRIBE[noun.kind])
            spans.insert(0, _unit(stem + "en", english))
        article = lex.article(which, "gen", noun.gender, False)
        return _join(_unit(article, "of " + lex.ENGLISH_ARTICLE[which][0]), *spans)

    def _relative(self, noun: lex.Noun, plural: bool, purse: Purse, time: Time, depth: int) -> Span:
        """A relative clause, whose pronoun's case can be seen or has only one sensible reading.

        *die Frau die das Kind sieht* would mean two things. So when the pronoun has the same form as subject
        and as object, a subject gets no living object, and an object gets a subject that is visibly one.
        """
        rng, column = self.rng, lex.column(noun.gender, plural)
        person, masculine = noun.kind == "person", column == 0
        budget = min(purse.left, rng.randint(4, 9)) - 1
        if noun.kind in lex.LIVING and rng.random() < 0.6:
            clause = self.clause(
                "final",
                budget,
                time,
                depth + 1,
                opening=_unit(lex.DER["nom"][column], "who" if person else "which"),
                subject=Phrase(NOTHING, "pl" if plural else "sg"),
                subjects=(noun.kind,),
                objects=None if masculine else lex.THINGS,
            )
        else:
            clause = self.clause(
                "final",
                budget,
                time,
                depth + 1,
                opening=_unit(lex.DER["acc"][column], "whom" if person else "which"),
                gap=noun.kind,
                marked_subject=not masculine,
            )
        purse.left -= len(clause.source)
        return clause

    # -- verbs

    def _conjugate(
        self,
        clause: Clause,
        verb: lex.Verb,
        tense: str,
        time: Time,
        who: Agreement,
        order: Order,
        negated: bool,
    ) -> None:
        """Put the verb into the clause: German in its places, English in one run, with "not" or "often"."""
        past, third, meaning, nicht = time == "then", who == "sg", Meaning(), Meaning()
        base, english_third, english_past, participle = verb.english
        often = clause.often.target
        do = _words("did not" if past else "does not" if third else "do not", nicht)
        clause.often = Span(clause.often.source)
        if negated:
            clause.negation = Span(_words("nicht", nicht))

        if tense in ("present", "past"):
            form = verb.finite(past, who)
            # The particle stands before its verb at the end, and apart from it else.
            clause.finite = Span(_words(verb.particle + form if order == "final" else form, meaning))
            clause.apart = Span(_words(verb.particle if order == "second" else "", meaning))
            english = base if negated else english_past if past else english_third if third else base
            clause.verbs = Span((), (do if negated else often) + _words(english, meaning))
            return

        if tense == "perfect":
            helper = lex.HAVE if verb.auxiliary == "haben" else lex.BE
            german, main = verb.participle, _words(participle, meaning)
        else:
            helper = lex.WILL if tense == "future" else self._modal(past, negated)
            german, main = verb.infinitive, _words("to " + base if helper.to else base, meaning)
        helping = Meaning()
        english = helper.english[2 if past else 1 if third else 0]
        if helper.to:
            start = do + _words(helper.english[0], helping) if negated else often + _words(english, helping)
        elif negated and english == "can":
            start = _words("cannot", helping, nicht)
        else:
            start = _words(english, helping) + (_words("not", nicht) if negated else often)
        clause.finite = Span(_words(helper.finite(past, who), helping))
        clause.apart = Span(_words(verb.particle + german, meaning))
        clause.verbs = Span((), start + main)

    def _modal(self, past: bool, negated: bool) -> lex.Helper:
        if past:
            return self.rng.choice((lex.CAN, lex.WANT))
        # "muss nicht" is not "must not", so must is never negated.
        return self.rng.choice((lex.CAN, lex.SHOULD, lex.WANT) + (() if negated else (lex.MUST,)))

    # -- clauses

    def clause(
        self,
        order: Order,
        budget: int,
        time: Time,
        depth: int,
        *,
        opening: Span = NOTHING,
        subject: Phrase | None = None,
        subjects: Sequence[str] = (),
        objects: Sequence[str] | None = None,
        gap: str = "",
        marked_subject: bool = False,
        tenses: Sequence[str] = lex.ANY,
        negatable: bool = True,
        first: Span = NOTHING,
        complement: int = 0,
    ) -> Span:
        """One clause of about `budget` words, with what precedes it not counted.

        `first` is a clause that stands before the verb. In a relative clause the subject (`subject`, of the
        kind `subjects`) or an object (of the kind `gap`) stands outside, and `marked_subject` asks for a
        subject that is visibly one. `objects` restricts the kinds of object; `complement` is the length of a
        clause with "that".
        """
        rng = self.rng
        tense = self._tense(tenses, time)
        left = budget - 1 - (tense not in ("present", "past")) - (subject is None)
        verb = self._verb(left, subjects, objects, gap, bool(complement))
        purse = Purse(left - (0 if gap else lex.COST[verb.frame]) - complement)
        negated = negatable and verb.frame not in ("both", "clause") and purse.take(1, 0.15, rng)
        if subject is None:
            subject = self._subject(verb, purse, time, depth, marked_subject)
        clause = Clause(opening, _join(subject.span, subject.tail))

        front = first if first.source else None
        if not negated and tense in ("present", "past", "perfect") and purse.take(1, 0.15, rng):
            clause.often = _unit(*rng.choice(lex.OFTEN))
        elif not negated and tense != "perfect" and verb.frame != "clause" and purse.take(1, 0.2, rng):
            clause.early = self._adverb(lex.TIME_ADVERBS, tense)
            if order == "second" and front is None and rng.random() < 0.5:
                front = clause.early
        elif verb.manner and not negated and purse.take(1, 0.25, rng):
            clause.late = _unit(*rng.choice(lex.MANNER))
        if order == "second" and front is None and not clause.early.source and purse.take(1, 0.3, rng):
            front = self._adverb(lex.FIRST_ADVERBS + ([] if clause.often.source else lex.TIME_ADVERBS), tense)
        adverbial = front is not None

        if verb.frame == "go":
            clause.where = self._direction(verb, purse)
        elif verb.frame in ("alone", "acc", "about") and purse.take(3, 0.3, rng):
            clause.where = self._place(purse)
        # What follows a relative clause would seem to belong to it: so only one of the two.
        closed = clause.late.source or clause.where.source or clause.early.source
        phrases = self._objects(
            verb,
            purse,
            subject,
            objects or verb.objects,
            gap,
            definite=negated,
            pronoun=objects is None,
            relative=None if closed or depth > 1 else (time, depth),
        )
        for phrase in phrases:
            clause.tail = phrase.tail
            if verb.frame == "about":
                clause.where = _join(phrase.span, clause.where)
            elif phrase.pronoun:
                clause.pronouns.append(phrase.span)
            else:
                clause.objects.append(phrase.span)
        if complement:
            clause.tail = self.dependent(complement, time, _unit("dass", "that"))
        # An object comes first only where its case can be seen.
        if front is None and len(clause.objects) == 1 and phrases[0].visible and not clause.tail.source:
            front = clause.objects[0] if order == "second" and rng.random() < 0.25 else None
        self._conjugate(clause, verb, tense, time, subject.agreement, order, negated)
        return clause.arrange(order, front, adverbial)

    def _tense(self, tenses: Sequence[str], time: Time) -> str:
        """A tense of this time; "perfect" is the pluperfect then."""
        if time == "now":
            weights = {"present": 4, "perfect": 2, "future": 1, "modal": 2}
        else:
            weights = {"past": 5, "perfect": 1, "modal": 2}
        fitting = [tense for tense in weights if tense in tenses]
        return self.rng.choices(fitting, [weights[tense] for tense in fitting])[0]

    def _verb(
        self, left: int, subjects: Sequence[str], objects: Sequence[str] | None, gap: str, complement: bool
    ) -> lex.Verb:
        """A verb that fits its subject and its objects, and the words that are left."""
        if complement:
            return self.rng.choice([verb for verb in lex.VERBS if verb.frame == "clause"])
        fitting = [
            verb
            for verb in lex.VERBS
            if (
                verb.frame == "acc"
                if gap
                else verb.frame != "clause" and lex.COST[verb.frame] <= max(left, 0)
            )
            and (not gap or gap in verb.objects)
            and (not subjects or subjects[0] in verb.subjects)
            and (objects is None or not verb.objects or set(objects) & set(verb.objects))
        ]
        return self.rng.choice(fitting)

    def _subject(self, verb: lex.Verb, purse: Purse, time: Time, depth: int, marked: bool) -> Phrase:
        rng = self.rng
        if purse.left < 1 or rng.random() < 0.25:
            # "sie" could be an object, so it marks no subject.
            pronouns = [pronoun for pronoun in lex.PRONOUNS if not marked or pronoun[0] != "sie"]
            german, english, agreement = rng.choice(pronouns)
            first_person = german in ("ich", "wir")
            return Phrase(_unit(german, english), agreement, pronoun=True, first_person=first_person)
        purse.left -= 1
        kinds = verb.subjects if rng.random() < 0.3 else ("person",)
        relative = (time, depth) if depth < 1 else None
        return self.noun_phrase(kinds, "nom", purse, masculine=marked, relative=relative)

    def _objects(
        self,
        verb: lex.Verb,
        purse: Purse,
        subject: Phrase,
        kinds: Sequence[str],
        gap: str,
        *,
        definite: bool,
        pronoun: bool,
        relative: tuple[Time, int] | None,
    ) -> list[Phrase]:
        kinds = [kind for kind in kinds if kind in verb.objects]
        if gap or not kinds:
            return []
        if pronoun and verb.frame in ("acc", "dat") and "person" in kinds and self.rng.random() < 0.15:
            # "wir sehen uns" would be "we see each other": a first person has no first-person object.
            choices = lex.OBJECT_PRONOUNS[verb.case][: 1 if subject.first_person else None]
            return [Phrase(_unit(*self.rng.choice(choices)), pronoun=True)]
        phrase = self.noun_phrase(
            kinds, verb.case, purse, definite=definite, preposition=verb.preposition, relative=relative
        )
        if verb.frame != "both":
            return [phrase]
        return [self.noun_phrase(("person",), "dat", purse), phrase]

    def _adverb(self, adverbs: Sequence[tuple[str, str, str]], tense: str) -> Span:
        return _unit(
            *self.rng.choice(
                [(german, english) for german, english, fits in adverbs if tense in fits.split()]
            )
        )

    def _place(self, purse: Purse) -> Span:
        kind, prepositions = self.rng.choice((("place", lex.PLACES),) * 3 + (("stop", lex.STOPS),))
        return self.noun_phrase((kind,), "dat", purse, preposition=self.rng.choice(prepositions)).span

    def _direction(self, verb: lex.Verb, purse: Purse) -> Span:
        out, into, to = lex.DIRECTIONS
        preposition = out if verb.infinitive == "kommen" else self.rng.choice((into, to))
        case: Case = "acc" if preposition == into else "dat"
        kinds = ("place", "stop") if preposition == to else ("place",)
        return self.noun_phrase(kinds, case, purse, preposition=preposition).span

    # -- sentences

    def subordinate(
        self, budget: int, time: Time, kinds: Sequence[bool] = (True, False), nest: bool = True
    ) -> tuple[Span, bool]:
        """A clause with its conjunction, perhaps one that depends on it, and whether it is temporal."""
        fitting = [c for c in lex.CONJUNCTIONS if time in c.times and c.temporal in kinds]
        conjunction = self.rng.choice(fitting)
        temporal, tenses = conjunction.temporal, conjunction.tenses
        opening = _unit(conjunction.german, conjunction.english)
        # A time within a reason or a reason within a time: "after ... because", but not "after ... when".
        below = (not temporal,) if nest else ()
        return self.dependent(budget, time, opening, tenses, not temporal, below), temporal

    def dependent(
        self,
        budget: int,
        time: Time,
        opening: Span,
        tenses: Sequence[str] = lex.ANY,
        negatable: bool = True,
        kinds: Sequence[bool] = (True, False),
    ) -> Span:
        """A verb-final clause, and perhaps a clause that depends on it: `kinds` says if temporal or not."""
        below = NOTHING
        if kinds and budget >= 9 and self.rng.random() < 0.6:
            below, temporal = self.subordinate(self.rng.randint(4, budget - 5), time, kinds, nest=False)
            if temporal:
                tenses = [tense for tense in tenses if tense in lex.SIMPLE] or tenses
        left = budget - 1 - len(below.source)
        clause = self.clause("final", left, time, 1, opening=opening, tenses=tenses, negatable=negatable)
        return _join(clause, below)

    def main(self, budget: int, time: Time, opening: Span) -> Span:
        """A main clause with what depends on it."""
        rng = self.rng
        left = budget - len(opening.source)
        below, first, complement = NOTHING, NOTHING, 0
        tenses: Sequence[str] = lex.ANY
        if left >= 9 and rng.random() < 0.3:
            complement = rng.randint(5, min(left - 3, 18))
        elif left >= 9 and rng.random() < 0.75:
            below, temporal = self.subordinate(rng.randint(4, min(left - 4, 16)), time)
            left -= len(below.source)
            if temporal:
                tenses = lex.SIMPLE
            if rng.random() < 0.4:
                first, below = below, NOTHING
        clause = self.clause(
            "second", left, time, 0, opening=opening, tenses=tenses, first=first, complement=complement
        )
        return _join(clause, below)

    def sentence(self, length: int) -> Span:
        """A sentence of about `length` words, its full stop included: main clauses, coordinated."""
        rng = self.rng
        time: Time = rng.choice(("now", "now", "then"))
        left = length - 1
        parts: list[Span] = []
        while left >= 4 or not parts:
            longest = left if left <= 14 and rng.random() < 0.6 else rng.randint(6, 24)
            opening = _unit(*rng.choice(lex.COORDINATORS)) if parts else NOTHING
            parts.append(self.main(min(left, longest), time, opening))
            left -= len(parts[-1].source)
            if rng.random() < 0.1:
                break
        return _join(*parts, _unit(".", "."))


# --- The corpus --------------------------------------------------------------------------------------------


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
