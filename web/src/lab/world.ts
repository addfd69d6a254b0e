// What a page knows of the world of the generated stories, as tfedu.data.stories has it: who is where, who holds what,
// what can happen next, what can be asked, and which sentences tell.

export type Sentence = readonly string[];

/** The names in the world. */
export interface Names {
  readonly people: readonly string[];
  readonly rooms: readonly string[];
  readonly things: readonly string[];
}

/** An answer, and the places of the sentences that give it, in the order in which one needs them. */
export interface Answer {
  readonly answer: string;
  readonly facts: readonly number[];
}

interface Place {
  readonly room: string;
  /** The move there. */
  readonly move: number;
}

interface Trip {
  readonly thing: string;
  readonly before: string;
  readonly after: string;
  readonly facts: readonly number[];
}

export class World {
  private readonly room = new Map<string, Place>();
  private readonly holder = new Map<string, string>();
  private readonly touched = new Map<string, number>();
  private readonly place = new Map<string, Place>();
  private readonly trips: Trip[] = [];
  private count = 0;

  /** After some sentences. A sentence that cannot happen is an error. */
  constructor(
    private readonly names: Names,
    story: readonly Sentence[] = [],
  ) {
    for (const sentence of story) this.tell(sentence);
  }

  /** All that a person could do next. */
  actions(person: string): Sentence[] {
    const { rooms, things } = this.names;
    const here = this.room.get(person)?.room;
    const near = things.filter((one) => here !== undefined && !this.holder.has(one) && (this.place.get(one)?.room ?? here) === here);
    const held = things.filter((one) => this.holder.get(one) === person);
    return [
      ...rooms.filter((one) => one !== here).map((one) => [person, "went", "to", "the", one]),
      ...near.map((one) => [person, "took", "the", one]),
      ...held.map((one) => [person, "dropped", "the", one]),
    ];
  }

  /** All questions that the story answers. */
  questions(): Sentence[] {
    const { people, things, rooms } = this.names;
    const before = (thing: string): Sentence[] =>
      rooms.filter((room) => this.trips.some((trip) => trip.thing === thing && trip.after === room)).map((room) => ["where", "was", "the", thing, "before", "the", room]);
    return [
      ...things.filter((one) => this.place.has(one)).map((one) => ["where", "is", "the", one]),
      ...people.filter((one) => this.room.has(one)).map((one) => ["where", "is", one]),
      ...things.flatMap(before),
    ];
  }

  /** Undefined if the story does not tell. */
  ask(question: Sentence): Answer | undefined {
    const [, verb, article, thing, , , room] = question;
    if (verb === "was") {
      const trip = this.trips.filter((one) => one.thing === thing && one.after === room).at(-1);
      return trip && { answer: trip.before, facts: trip.facts };
    }
    if (question.length === 3) {
      const at = this.room.get(article); // the third word is a person
      return at && { answer: at.room, facts: [at.move] };
    }
    const at = this.place.get(thing);
    return at && { answer: at.room, facts: [this.touched.get(thing)!, at.move] };
  }

  private tell(sentence: Sentence): void {
    const [person, verb] = sentence;
    const last = sentence.at(-1)!;
    const now = this.count++;
    const stays = verb === "went" && this.room.get(person)?.room === last; // pointless, but it may happen
    const known = this.names.people.includes(person) && this.actions(person).some((one) => one.join(" ") === sentence.join(" "));
    if (!known && !stays) throw new Error(`${sentence.join(" ")}: this cannot happen.`);
    if (verb === "went") {
      const from = this.room.get(person);
      for (const thing of this.names.things.filter((one) => this.holder.get(one) === person)) {
        this.trips.push({ thing, before: from!.room, after: last, facts: [this.touched.get(thing)!, now, from!.move] });
        this.place.set(thing, { room: last, move: now });
      }
      this.room.set(person, { room: last, move: now });
      return;
    }
    this.touched.set(last, now);
    if (verb === "took") {
      this.holder.set(last, person);
      this.place.set(last, this.room.get(person)!);
    } else this.holder.delete(last);
  }
}
