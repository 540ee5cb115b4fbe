"""The verbs.

Each line is one verb: its English principal parts with a particle, if any | its German ones as a dictionary
gives them, with "+" in a separable infinitive | the kinds of noun that can be its subject | those that can be
its object. What governs the object stands before a colon: a case, or a preposition and a case.
"""

from __future__ import annotations

from words import Case, Verb


def _verbs(table: str) -> tuple[Verb, ...]:
    return tuple(
        _verb(*(column.strip() for column in line.split("|"))) for line in table.strip().splitlines()
    )


def _verb(english: str, german: str, subjects: str, objects: str = "") -> Verb:
    base, progressive, participle, *particle = english.split()
    infinitive, third, perfect = german.split(", ")
    german_particle, _, german_base = infinitive.removeprefix("sich ").rpartition("+")
    auxiliary, german_participle = perfect.split()
    government, _, kinds = objects.rpartition(":")
    *preposition, case = government.split() or [""]
    return Verb(
        base=base,
        progressive=progressive,
        participle=participle,
        particle=" ".join(particle),
        german_base=german_base,
        german_particle=german_particle,
        german_third=third,
        german_participle=german_participle,
        takes_sein=auxiliary == "ist",
        reflexive=infinitive.startswith("sich "),
        object_case=Case(case) if case else None,
        object_preposition="".join(preposition),
        subjects=frozenset(subjects.split()),
        objects=frozenset(kinds.split()),
    )


# What somebody does for a while: with a place of any kind.
PASTIMES = _verbs("""
    sleep sleeping slept         | schlafen, schläft, hat geschlafen      | person animal
    wait waiting waited          | warten, wartet, hat gewartet           | person
    laugh laughing laughed       | lachen, lacht, hat gelacht             | person
    sing singing sung            | singen, singt, hat gesungen            | person
    dance dancing danced         | tanzen, tanzt, hat getanzt             | person
    play playing played          | spielen, spielt, hat gespielt          | minor pet climber
    work working worked          | arbeiten, arbeitet, hat gearbeitet     | adult
    cry crying cried             | weinen, weint, hat geweint             | person
    rest resting rested          | sich aus+ruhen, ruht, hat ausgeruht    | person animal
    hide hiding hidden           | sich verstecken, versteckt, hat versteckt | person pet climber
""")

# What happens at once: no place is told.
EVENTS = _verbs("""
    wake waking woken up         | auf+wachen, wacht, ist aufgewacht      | person animal
    stand standing stood up      | auf+stehen, steht, ist aufgestanden    | person animal
    fall falling fallen asleep   | ein+schlafen, schläft, ist eingeschlafen | person animal
    come coming come back        | zurück+kommen, kommt, ist zurückgekommen | person animal
    turn turning turned around   | sich um+drehen, dreht, hat umgedreht   | person animal
    hurry hurrying hurried       | sich beeilen, beeilt, hat beeilt       | person
    stop stopping stopped        | an+halten, hält, hat angehalten        | road public
""")

# What a bus or a ship does somewhere.
TRAFFIC = _verbs("""
    arrive arriving arrived      | an+kommen, kommt, ist angekommen       | public
    depart departing departed    | ab+fahren, fährt, ist abgefahren       | public
""")

# Where somebody or something is: the place must be told.
POSTURES = _verbs("""
    stand standing stood         | stehen, steht, hat gestanden           | person animal road wheeled
    sit sitting sat              | sitzen, sitzt, hat gesessen            | person pet climber plumed
    lie lying lain               | liegen, liegt, hat gelegen             | person pet fed
""")

# Where somebody or something is going: the direction must be told.
WALK, RUN, COME, JUMP, CLIMB, DRIVE, FLY = MOTIONS = _verbs("""
    walk walking walked          | gehen, geht, ist gegangen              | person
    run running run              | rennen, rennt, ist gerannt             | person runner
    come coming come             | kommen, kommt, ist gekommen            | person
    jump jumping jumped          | springen, springt, ist gesprungen      | person runner climber
    climb climbing climbed       | klettern, klettert, ist geklettert     | person climber
    drive driving driven         | fahren, fährt, ist gefahren            | road
    fly flying flown             | fliegen, fliegt, ist geflogen          | bird
""")

# Where somebody puts something, or himself: the goal must be told.
PLACE, LAY, LEAN, SIT_DOWN = PLACINGS = _verbs("""
    place placing placed         | stellen, stellt, hat gestellt          | person | acc: stood
    lay laying laid              | legen, legt, hat gelegt                | person | acc: laid
    lean leaning leaned          | lehnen, lehnt, hat gelehnt             | person | acc: leant wheeled
    sit sitting sat down         | sich setzen, setzt, hat gesetzt        | person pet
""")

# What somebody does to somebody or something.
TRANSITIVES = _verbs("""
    carry carrying carried       | tragen, trägt, hat getragen            | person | acc: luggage stood leant
    wear wearing worn            | tragen, trägt, hat getragen            | person | acc: worn
    wash washing washed          | waschen, wäscht, hat gewaschen         | person | acc: washable
    wipe wiping wiped            | ab+wischen, wischt, hat abgewischt     | person | acc: wiped
    open opening opened          | öffnen, öffnet, hat geöffnet           | person | acc: openable
    close closing closed         | schließen, schließt, hat geschlossen   | person | acc: openable
    buy buying bought            | kaufen, kauft, hat gekauft             | person | acc: goods
    eat eating eaten             | essen, isst, hat gegessen              | person | acc: edible
    drink drinking drunk         | trinken, trinkt, hat getrunken         | person | acc: drink
    read reading read            | lesen, liest, hat gelesen              | person | acc: read
    feed feeding fed             | füttern, füttert, hat gefüttert        | person | acc: animal
    repair repairing repaired    | reparieren, repariert, hat repariert   | adult | acc: machine broken
    push pushing pushed          | schieben, schiebt, hat geschoben       | person | acc: pushed
    hold holding held            | halten, hält, hat gehalten             | person | acc: handy
    watch watching watched       | beobachten, beobachtet, hat beobachtet | person pet | acc: animate
    film filming filmed          | filmen, filmt, hat gefilmt             | person | acc: animate sight
    call calling called          | an+rufen, ruft, hat angerufen          | person | acc: person
    look looking looked at       | an+sehen, sieht, hat angesehen         | person | acc: animate sight
    look looking looked for      | suchen, sucht, hat gesucht             | person | acc: lost pet minor
    lose losing lost             | verlieren, verliert, hat verloren      | person | acc: lost
    pick picking picked up       | auf+heben, hebt, hat aufgehoben        | person | acc: lost handy
    put putting put on           | an+ziehen, zieht, hat angezogen        | person | acc: garment
    hang hanging hung up         | auf+hängen, hängt, hat aufgehängt      | person | acc: hung
    unpack unpacking unpacked    | aus+packen, packt, hat ausgepackt      | person | acc: luggage
    take taking taken along      | mit+nehmen, nimmt, hat mitgenommen     | person | acc: luggage handy pet
    help helping helped          | helfen, hilft, hat geholfen            | person | dat: person
    thank thanking thanked       | danken, dankt, hat gedankt             | person | dat: person
    follow following followed    | folgen, folgt, ist gefolgt             | person pet | dat: animate
    listen listening listened to | zu+hören, hört, hat zugehört           | person | dat: person
    wait waiting waited for      | warten, wartet, hat gewartet           | person | auf acc: public person
    talk talking talked to       | sprechen, spricht, hat gesprochen      | person | mit dat: person
    play playing played with     | spielen, spielt, hat gespielt          | minor | mit dat: pet minor
    dream dreaming dreamed of    | träumen, träumt, hat geträumt          | person | von dat: animal sight
    look looking looked after    | auf+passen, passt, hat aufgepasst      | person | auf acc: minor animal
""")

# What somebody gives or tells somebody: the recipient stands in the dative.
GIVINGS = _verbs("""
    give giving given            | geben, gibt, hat gegeben               | person | acc: handy edible
    show showing shown           | zeigen, zeigt, hat gezeigt             | person | acc: handy picture pet
    bring bringing brought       | bringen, bringt, hat gebracht          | person | acc: edible luggage hot
""")

BARK, RAIN, SNOW, SHINE, BE = _verbs("""
    bark barking barked          | bellen, bellt, hat gebellt             | dog
    rain raining rained          | regnen, regnet, hat geregnet           | weather
    snow snowing snowed          | schneien, schneit, hat geschneit       | weather
    shine shining shone          | scheinen, scheint, hat geschienen      | sun
    be being been                | sein, ist, ist gewesen                 | anything
""")

WEAR, BUY, HOLD, LOSE, PUT_ON = (
    verb for verb in TRANSITIVES if verb.base in ("wear", "buy", "hold", "lose", "put")
)

VERBS = {
    verb.name: verb
    for group in (PASTIMES, EVENTS, TRAFFIC, POSTURES, MOTIONS, PLACINGS, TRANSITIVES, GIVINGS)
    for verb in group
}
