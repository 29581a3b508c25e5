"""FDA directory of unfinished drugs: who lists drug substances and drugs for further processing."""
