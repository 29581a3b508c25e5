"""Source clinicaltrials: trials and their sites; see source.yml."""
