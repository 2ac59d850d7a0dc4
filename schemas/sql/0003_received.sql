-- Of an instance that is kept in another transfer syntax than it came in (DICOMWEB_INGEST_SYNTAX): the one it
-- came in and the BLAKE3 digest, in hexadecimal, of the data set as it came, by which a resend is known (S-25).
ALTER TABLE instance ADD COLUMN received text COLLATE "C";
