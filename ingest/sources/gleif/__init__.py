"""Legal entities of biopharma groups in the Global LEI System."""
