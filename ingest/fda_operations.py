"""The FDA's business operations in common terms, for its register of establishments and for its labels."""

from __future__ import annotations

# Labelling is a packaging step; transfilling is the repackaging of medical gases; what is neither the substance nor
# a medicine for people (feed, milling, trade) is `other`.
OPERATIONS = {
    "API MANUFACTURE": "drug_substance",
    "MANUFACTURE": "drug_product",
    "POSITRON EMISSION TOMOGRAPHY DRUG PRODUCTION": "drug_product",
    "PACK": "packaging",
    "LABEL": "packaging",
    "ANALYSIS": "analysis",
    "STERILIZE": "sterilisation",
    "RELABEL": "relabelling",
    "REPACK": "repackaging",
    "TRANSFILL": "repackaging",
    "DISTRIBUTE": "other",
    "MEDICATED ANIMAL FEED MANUFACTURE": "other",
    "PARTICLE SIZE REDUCTION": "other",
    "SALVAGE": "other",
    "SIP FOREIGN SELLER": "other",
}
