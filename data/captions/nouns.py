"""The nouns and the adjectives.

Each line of a noun table is one noun: English singular and plural, German nominative singular, gender and
nominative plural, then the kinds it belongs to beside those of its table ("weak" marks the n-declension). An
adjective goes with a noun where the two share a kind.

The English of a noun tells which German noun is meant: no "teacher", who may be Lehrer or Lehrerin.
"""

from __future__ import annotations

from words import Adjective, Gender, Noun


def _nouns(kinds: str, table: str) -> tuple[Noun, ...]:
    return tuple(_noun(line.split(), kinds.split()) for line in table.strip().splitlines())


def _noun(cells: list[str], kinds: list[str]) -> Noun:
    english, english_plural, german, gender, german_plural, *more = [
        "" if cell == "-" else cell for cell in cells
    ]
    return Noun(
        english,
        english_plural,
        german,
        Gender(gender),
        german_plural,
        "weak" in more,
        frozenset(kinds + more) - {"weak"},
    )


PERSONS = _nouns(
    "person animate",
    """
    man         men          Mann           m Männer         adult youthful
    woman       women        Frau           f Frauen         adult youthful fair female
    boy         boys         Junge          m Jungen         minor weak
    girl        girls        Mädchen        n Mädchen        minor female
    child       children     Kind           n Kinder         minor
    father      fathers      Vater          m Väter          adult youthful elder
    mother      mothers      Mutter         f Mütter         adult youthful female elder
    grandfather grandfathers Großvater      m Großväter      adult elder
    grandmother grandmothers Großmutter     f Großmütter     adult female elder
    cowboy      cowboys      Cowboy         m Cowboys        adult youthful
    nun         nuns         Nonne          f Nonnen         adult youthful female
    waiter      waiters      Kellner        m Kellner        adult youthful
    waitress    waitresses   Kellnerin      f Kellnerinnen   adult youthful female
    policeman   policemen    Polizist       m Polizisten     adult youthful weak
    fisherman   fishermen    Fischer        m Fischer        adult youthful
    lady        ladies       Dame           f Damen          adult youthful fair female
""",
)

ANIMALS = _nouns(
    "animal animate sized",
    """
    dog         dogs         Hund           m Hunde          pet runner furry own dog
    cat         cats         Katze          f Katzen         pet climber furry own
    horse       horses       Pferd          n Pferde         fed runner large furry strong
    cow         cows         Kuh            f Kühe           fed large furry
    goose       geese        Gans           f Gänse          fed bird plumed
    duck        ducks        Ente           f Enten          fed bird plumed
    pig         pigs         Schwein        n Schweine       fed large
    monkey      monkeys      Affe           m Affen          climber weak strong
    elephant    elephants    Elefant        m Elefanten      fed large weak strong
    bear        bears        Bär            m Bären          climber large weak strong
    bird        birds        Vogel          m Vögel          bird fed plumed
""",
)

VEHICLES = _nouns(
    "made large sized",
    """
    bus         buses        Bus            m Busse          public road painted washable machine
    train       trains       Zug            m Züge           public long
    tram        trams        Straßenbahn    f Straßenbahnen  public painted
    ship        ships        Schiff         n Schiffe        public sight
    car         cars         Auto           n Autos          road painted washable machine goods own pushed
    taxi        taxis        Taxi           n Taxis          road painted washable pushed
    truck       trucks       Lastwagen      m Lastwagen      road painted washable machine heavy
    bicycle     bicycles     Fahrrad        n Fahrräder      painted washable machine wheeled goods own pushed
""",
)

CLOTHES = _nouns(
    "thing worn goods made own",
    """
    jacket      jackets      Jacke          f Jacken         garment painted hung washable
    coat        coats        Mantel         m Mäntel         garment painted hung long
    shirt       shirts       Hemd           n Hemden         garment painted washable
    dress       dresses      Kleid          n Kleider        garment dress painted fair hung washable
    hat         hats         Hut            m Hüte           headwear painted lost
    cap         caps         Mütze          f Mützen         headwear painted lost
    scarf       scarves      Schal          m Schals         headwear painted lost long
""",
)

THINGS = _nouns(
    "thing sized",
    """
    apple       apples       Apfel          m Äpfel          edible goods ripe handy
    banana      bananas      Banane         f Bananen        edible goods green
    cake        cakes        Kuchen         m Kuchen         edible goods fresh
    egg         eggs         Ei             n Eier           edible goods fresh
    sausage     sausages     Wurst          f Würste         edible goods hot
    book        books        Buch           n Bücher         read goods made handy own lost laid
    newspaper   newspapers   Zeitung        f Zeitungen      read goods handy laid
    letter      letters      Brief          m Briefe         read handy lost long laid
    suitcase    suitcases    Koffer         m Koffer         luggage made painted heavy hollow goods own stood
    bag         bags         Tasche         f Taschen        luggage made painted heavy hollow goods own
    basket      baskets      Korb           m Körbe          luggage made heavy hollow goods stood
    box         boxes        Kiste          f Kisten         luggage heavy hollow openable stood
    backpack    backpacks    Rucksack       m Rucksäcke      luggage made painted heavy hollow own
    umbrella    umbrellas    Regenschirm    m Regenschirme   handy made painted broken goods own lost openable
    bucket      buckets      Eimer          m Eimer          painted heavy hollow stood
    bottle      bottles      Flasche        f Flaschen       handy hollow green stood
    cup         cups         Tasse          f Tassen         handy hollow washable painted stood
    plate       plates       Teller         m Teller         handy washable painted wiped
    chair       chairs       Stuhl          m Stühle         made painted broken goods stood wiped
    lamp        lamps        Lampe          f Lampen         made painted machine goods stood hung
    ladder      ladders      Leiter         f Leitern        long heavy leant
    picture     pictures     Bild           n Bilder         made fair goods hung leant picture
    camera      cameras      Kamera         f Kameras        made machine goods handy own lost
    guitar      guitars      Gitarre        f Gitarren       made machine goods handy own leant
    key         keys         Schlüssel      m Schlüssel      handy lost own laid
    knife       knives       Messer         n Messer         long handy laid
    ball        balls        Ball           m Bälle          painted handy lost own goods
    flower      flowers      Blume          f Blumen         painted handy fair goods
    clock       clocks       Uhr            f Uhren          made machine goods hung
    blanket     blankets     Decke          f Decken         made painted washable goods laid
""",
)

FIXTURES = _nouns(
    "thing fixture made sized openable wiped",
    """
    door        doors        Tür            f Türen          painted
    window      windows      Fenster        n Fenster        washable
    gate        gates        Tor            n Tore           tall painted
""",
)

MASS_NOUNS = _nouns(
    "thing goods",
    """
    bread       -            Brot           n -              edible baked fresh
    cheese      -            Käse           m -              edible fresh
    milk        -            Milch          f -              drink hot fresh
    tea         -            Tee            m -              drink hot
    water       -            Wasser         n -              drink hot water
""",
)

PLACES = _nouns(
    "place",
    """
    house       houses       Haus           n Häuser         made sized painted sight
    station     stations     Bahnhof        m Bahnhöfe       made sized
    church      churches     Kirche         f Kirchen        made sized sight fair
    school      schools      Schule         f Schulen        made sized
    museum      museums      Museum         n Museen         made sized sight
    castle      castles      Schloss        n Schlösser      old sized sight fair
    tower       towers       Turm           m Türme          made tall sight
    hospital    hospitals    Krankenhaus    n Krankenhäuser  made sized
    shop        shops        Laden          m Läden          made sized
    kitchen     kitchens     Küche          f Küchen         made sized lit
    tent        tents        Zelt           n Zelte          made sized painted
    park        parks        Park           m Parks          sized fair
    garden      gardens      Garten         m Gärten         sized fair
    forest      forests      Wald           m Wälder         sized lit
    meadow      meadows      Wiese          f Wiesen         sized green
    lake        lakes        See            m Seen           sized cold fair
    river       rivers       Fluss          m Flüsse         cold long
    beach       beaches      Strand         m Strände        long fair
    market      markets      Markt          m Märkte         old sized
    bridge      bridges      Brücke         f Brücken        made tall long sight
    street      streets      Straße         f Straßen        made long lit
    square      squares      Platz          m Plätze         sized fair
    tree        trees        Baum           m Bäume          sized old sight
    wall        walls        Mauer          f Mauern         old tall long
    fence       fences       Zaun           m Zäune          made tall painted
    roof        roofs        Dach           n Dächer         old
    bench       benches      Bank           f Bänke          made painted wiped
    sofa        sofas        Sofa           n Sofas          made painted goods
    table       tables       Tisch          m Tische         made sized wiped goods
""",
)

SUN = _noun(["sun", "-", "Sonne", "f", "-"], ["sun"])

NOUNS = (*PERSONS, *ANIMALS, *VEHICLES, *CLOTHES, *THINGS, *FIXTURES, *MASS_NOUNS, *PLACES)


def _adjectives(table: str) -> tuple[Adjective, ...]:
    return tuple(_adjective(line.split()) for line in table.strip().splitlines())


def _adjective(cells: list[str]) -> Adjective:
    english, german, stem, *kinds = cells
    return Adjective(english, german, "" if stem == "-" else stem, frozenset(kinds))


# English, German, the stem before endings ("-" where there are none), the kinds of noun it describes.
ADJECTIVES = _adjectives("""
    red           rot            rot             painted ripe
    blue          blau           blau            painted
    green         grün           grün            painted ripe green
    black         schwarz        schwarz         painted furry
    white         weiß           weiß            painted furry plumed
    brown         braun          braun           furry plumed climber
    pink          rosa           -               garment headwear
    big           groß           groß            sized
    small         klein          klein           sized minor
    old           alt            alt             adult animal made old
    young         jung           jung            youthful pet climber
    new           neu            neu             made
    strong        stark          stark           adult strong
    friendly      freundlich     freundlich      person pet
    tired         müde           müd             person animal
    hungry        hungrig        hungrig         person animal
    happy         glücklich      glücklich       person
    sad           traurig        traurig         person pet
    beautiful     schön          schön           fair
    heavy         schwer         schwer          heavy
    empty         leer           leer            hollow public
    dirty         schmutzig      schmutzig       washable wiped fed
    wet           nass           nass            garment headwear runner wiped
    broken        kaputt         kaputt          machine broken
    expensive     teuer          teur            worn machine
    high          hoch           hoh             tall
    long          lang           lang            long
    dark          dunkel         dunkl           lit
    fresh         frisch         frisch          fresh baked
    warm          warm           warm            garment drink
    cold          kalt           kalt            drink cold
    hot           heiß           heiß            hot
""")

LATE = _adjective(["late", "verspätet", "verspätet", "public"])
COLD = next(adjective for adjective in ADJECTIVES if adjective.english == "cold")
