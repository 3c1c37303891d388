"""Names of the structures that an image-based template labels one by one, beside its tissue codes."""

from __future__ import annotations

MUSCLES = (
    "vastus medialis", "vastus intermedius", "vastus lateralis", "biceps femoris", "semimembranosus", "semitendinosus",
    "sartorius", "gracilis", "medial gastrocnemius", "lateral gastrocnemius", "plantaris", "popliteus", "soleus",
    "tibialis anterior", "extensor digitorum longus", "peroneus longus", "tibialis posterior",
    "flexor digitorum longus",
)  # fmt: skip
LIGAMENTS = (
    "anterior cruciate ligament", "posterior cruciate ligament", "medial collateral ligament",
    "lateral collateral ligament", "patellar ligament", "quadriceps tendon", "iliotibial band",
    "medial retinaculum", "lateral retinaculum", "popliteus tendon", "biceps tendon",
)  # fmt: skip
VESSELS_AND_NERVES = (
    "popliteal artery", "popliteal vein", "great saphenous vein", "small saphenous vein", "genicular vessels",
    "tibial nerve", "common peroneal nerve",
)  # fmt: skip
SPACES = ("Hoffa's fat pad", "suprapatellar pouch", "synovium", "fascia", "medial gastrocnemius bursa")
# Label of each structure in ``ImageTemplate.structure``; 0 is what has no name of its own.
STRUCTURES = ("", *MUSCLES, *LIGAMENTS, *VESSELS_AND_NERVES, *SPACES)
STRUCTURE = {name: index for index, name in enumerate(STRUCTURES)}
