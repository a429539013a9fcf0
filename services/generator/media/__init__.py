"""Media tools: inspection, uploads, film cutting, pictures, signing, downloads and scratch folders."""
