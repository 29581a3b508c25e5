"""FDA Purple Book: licensed biological products, with licence type, applicant and approval date."""
