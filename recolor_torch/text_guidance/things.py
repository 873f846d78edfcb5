"""Words for things: which word means which of the things that the finder knows."""

from functools import lru_cache

# The things that can be found, and the words for each. A word of several things belongs to the first.
THINGS: dict[str, str] = {
    # a person, from the head down
    "hair": (
        "hair hairs hairdo haircut hairstyle curl braid ponytail locks wig bangs beard moustache mustache whisker plait"
    ),
    "skin": "skin hand arm leg neck shoulder flesh complexion cheek forehead chest foot knee finger",
    "face": "face head",
    "glasses": "glasses sunglasses spectacles goggles eyeglasses",
    "hat": (
        "hat cap bonnet beret helmet fedora sombrero hood turban beanie headscarf headgear headband bowler "
        "stetson bandanna tiara crown headdress visor"
    ),
    "scarf": "scarf shawl kerchief bandana stole neckerchief",
    "tie": "tie necktie bowtie cravat",
    "jewelry": "jewelry jewellery necklace earring bracelet brooch jewel pearl ring watch",
    "dress": "dress gown frock sundress kimono sari robe jumpsuit romper nightgown tunic pinafore",
    "coat": "coat overcoat trenchcoat raincoat parka cloak cape mantle anorak mac mackintosh poncho fleece",
    "jacket": "jacket blazer windbreaker parka bolero tailcoat doublet",
    "suit": "suit tuxedo uniform",
    "vest": "vest waistcoat",
    "sweater": "sweater jumper pullover hoodie sweatshirt cardigan jersey knitwear",
    "shirt": "shirt blouse top tee tshirt t-shirt polo camisole undershirt singlet bodice",
    "swimwear": "swimwear swimsuit bikini trunks bra lingerie underwear panties",
    "belt": "belt sash",
    "skirt": "skirt miniskirt kilt petticoat",
    "pants": "pants trousers jeans slacks leggings breeches denim chinos overalls trouser pant jean dungarees",
    "shorts": "shorts",
    "tights": "tights stockings stocking hose nylons pantyhose sock",
    "boots": "boot boots",
    "shoes": (
        "shoe shoes sneaker heel sandal pump loafer slipper footwear trainer clog moccasin flats stiletto "
        "sneakers loafers"
    ),
    "bag": "bag purse handbag wallet backpack rucksack satchel suitcase luggage briefcase basket",
    "gloves": "glove gloves mitten",
    "clothes": (
        "clothes clothing outfit garment attire costume apparel wear robes rags textile fabric cloth pajamas "
        "pyjamas apron veil"
    ),
    "person": (
        "person man woman boy girl child baby people lady guy kid body figure gentleman toddler human mother "
        "father sister brother son daughter grandmother grandfather soldier sailor nurse farmer worker player "
        "dancer bride groom prince princess queen king rider climber hiker swimmer surfer fisherman teacher "
        "student crowd couple friend family model kids policeman"
    ),
    # outdoors
    "sky": "sky skies cloud heaven heavens horizon sunset sunrise dusk dawn",
    "grass": (
        "grass lawn meadow field pasture turf prairie hay reed wheat corn straw rice grassland pastures moss "
        "farmland weeds clover"
    ),
    "tree": (
        "tree foliage leaf leaves forest wood woods bush shrub hedge palm jungle vegetation plant ivy fern "
        "greenery oak pine fir spruce birch maple willow elm beech cedar cypress trunk branch branches "
        "orchard bamboo thicket canopy undergrowth vine cactus crown treetop rainforest"
    ),
    "flower": (
        "flower blossom bloom petal bouquet rose tulip daisy sunflower poppy lily orchid iris violet lavender "
        "geranium lilac daffodil marigold peony hydrangea dandelion buttercup bluebell pansy azalea blossoms "
        "flowers"
    ),
    "water": (
        "water sea ocean lake river pond pool stream wave waves canal bay fountain waterfall creek lagoon "
        "brook cascade harbor harbour reservoir rapids strait surf swimmingpool puddle marsh fjord"
    ),
    "sand": "sand beach dune desert shore sands seashore coast shoreline",
    "snow": "snow ice glacier frost snowfield slush iceberg",
    "mountain": (
        "mountain hill peak rock cliff stone boulder canyon ridge crag summit mountainside hillside slope "
        "cliffs rocks volcano gorge ravine valley mesa butte outcrop ledge bluff"
    ),
    "road": (
        "road street path pavement sidewalk asphalt ground floor dirt soil track way pathway earth mud "
        "highway driveway lane alley boulevard avenue cobblestone cobbles crosswalk runway gravel plaza"
    ),
    "building": (
        "building house wall church tower castle barn facade brick home cottage palace temple bridge roof hut "
        "shed skyscraper mosque cathedral chapel monastery farmhouse cabin mill windmill lighthouse monument "
        "ruins warehouse factory hotel mansion chateau villa chalet garage shop chimney steeple pagoda "
        "fortress column arch bricks walls"
    ),
    # animals
    "dog": (
        "dog puppy hound doggy terrier spaniel retriever collie labrador shepherd greyhound poodle bulldog "
        "beagle dachshund husky pup"
    ),
    "cat": "cat kitten kitty tabby",
    "horse": "horse pony foal mare stallion zebra donkey mule colt",
    "cow": "cow cattle bull ox calf buffalo bison cows oxen yak",
    "sheep": "sheep lamb goat ram ewe",
    "bird": (
        "bird duck swan chicken parrot goose rooster hen pigeon eagle hawk owl heron seagull gull pelican "
        "penguin robin sparrow finch peacock flamingo crow raven turkey chick"
    ),
    "elephant": "elephant",
    "animal": (
        "animal fox bear lion tiger monkey deer fish fur creature beast wolf bunny rabbit squirrel pig hog "
        "goat camel giraffe kangaroo gorilla ape panda leopard cheetah jaguar raccoon beaver otter seal whale "
        "dolphin turtle frog snake lizard crocodile butterfly bee insect beetle spider dragonfly ladybug elk "
        "moose hamster mouse rat koala shark crab lobster"
    ),
    # what people make
    "car": (
        "car truck van taxi automobile cab jeep pickup lorry vehicle suv minivan convertible sedan limousine "
        "coupe ambulance roadster wagon tractor"
    ),
    "bus": "bus coach tram minibus trolley streetcar schoolbus",
    "train": "train locomotive railcar carriage tank wagons engine railway",
    "boat": "boat ship canoe yacht sailboat ferry rowboat kayak gondola barge vessel raft sail schooner steamer",
    "plane": "plane airplane aeroplane aircraft jet airliner jetliner helicopter biplane",
    "bicycle": "bicycle bike motorbike motorcycle cycle scooter tricycle moped bikes",
    "chair": "chair sofa couch bench armchair seat stool settee rocker loveseat divan pew",
    "sign": "sign signboard billboard banner poster placard flag",
    "book": "book books magazine notebook",
    "ball": "ball football basketball balloon frisbee baseball volleyball soccerball",
    "fruit": (
        "fruit apple orange lemon banana strawberry berry cherry grape peach pear tomato pepper pineapple "
        "mango melon watermelon kiwi plum apricot raspberry blueberry lime pumpkin eggplant carrot cucumber "
        "zucchini fig pomegranate"
    ),
    "food": (
        "food dish meal cake bread salad pizza dessert vegetable soup sandwich burger hamburger cheese meat "
        "steak fish rice pasta noodle noodles egg sauce curry cookie pie pastry chocolate icecream broccoli "
        "cabbage lettuce"
    ),
}

# Words that end in s and are not the plural of what is left without it.
_NO_PLURALS = frozenset(("grass", "dress", "glass", "bus", "moss", "cross", "canvas", "christmas", "atlas"))
_IRREGULAR = {
    "men": "man", "women": "woman", "children": "child", "people": "person", "leaves": "leaf", "scarves": "scarf",
    "knives": "knife", "geese": "goose", "feet": "foot", "mice": "mouse", "wolves": "wolf", "calves": "calf",
    "loaves": "loaf", "buses": "bus", "gentlemen": "gentleman", "ladies": "lady", "skies": "sky",
}  # fmt: skip


@lru_cache(maxsize=1)
def words() -> dict[str, str]:
    """The thing that each word means, in lower case and the singular."""
    found = {word: thing for thing, listed in reversed(THINGS.items()) for word in listed.split()}
    return {**found, **{thing: thing for thing in THINGS}}


def thing_of(word: str) -> str | None:
    """The thing that a word means, in the singular or the plural; None where it is not known.

    Example:
        >>> thing_of("gowns"), thing_of("grass"), thing_of("zither")
        ('dress', 'grass', None)
    """
    known = words()
    for form in (word, *singulars(word)):
        if form in known:
            return known[form]
    return None


def singulars(word: str) -> list[str]:
    """What a word may be in the singular, the likeliest first.

    Example:
        >>> singulars("bushes")
        ['bush', 'bushe']
    """
    if word in _IRREGULAR:
        return [_IRREGULAR[word]]
    if not word.endswith("s") or len(word) < 4 or word in _NO_PLURALS:
        return []
    forms = [word[:-1]]
    if word.endswith("ies"):
        forms.insert(0, word[:-3] + "y")
    elif word.endswith(("shes", "ches", "xes", "sses", "zes", "oes")):
        forms.insert(0, word[:-2])
    return forms
