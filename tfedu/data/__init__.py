"""Data: one file per kind. Sets made by code here come first; the real ones are fetched by checksum."""
