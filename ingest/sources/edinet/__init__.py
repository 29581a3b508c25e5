"""EDINET of Japan's Financial Services Agency: annual reports of pharmaceutical companies, and the code list."""
