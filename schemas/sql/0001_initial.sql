-- The catalog: one row a study, series and instance, beside the object store that holds the bytes.
--
-- Text is COLLATE "C" and folded in Python (dicomweb/dicom/matching.py), never by SQL.
-- Dates are integers yyyymmdd. Times are microseconds of the day, moments are microseconds since
-- 0001-01-01; both as closed intervals [from, to], because '2230' means the whole minute (Q-25).
-- Folded names: the alphabetic group alone in *_name (prefix search by B-tree), every group framed by
-- line feeds in *_name_groups (exact, wildcard and word search by trigrams).

CREATE EXTENSION IF NOT EXISTS pg_trgm;

-- One sequence for every revision of study, series and instance: a strong ETag needs no other state.
CREATE SEQUENCE revision AS bigint;

-- An object of the store. Packs hold many instances; live counts the rows that point into it.
-- At zero it is doomed, and swept after a grace time so that a running answer is not torn.
CREATE TABLE blob (
    blob_key text COLLATE "C" PRIMARY KEY,
    size bigint NOT NULL,
    live integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    doomed_at timestamptz
);
CREATE INDEX blob_doomed ON blob (doomed_at) WHERE doomed_at IS NOT NULL;

CREATE TABLE study (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id integer NOT NULL,
    study_instance_uid text COLLATE "C" NOT NULL,
    revision bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    number_of_series integer NOT NULL DEFAULT 0,
    number_of_instances integer NOT NULL DEFAULT 0,
    modalities text[] COLLATE "C" NOT NULL DEFAULT '{}',
    sop_classes text[] COLLATE "C" NOT NULL DEFAULT '{}',
    study_date integer,
    study_time_from bigint,
    study_time_to bigint,
    started_from bigint,
    started_to bigint,
    accession_number text COLLATE "C",
    study_id text COLLATE "C",
    study_description text COLLATE "C",
    referring_physician_name text COLLATE "C",
    referring_physician_name_groups text COLLATE "C",
    patient_name text COLLATE "C",
    patient_name_groups text COLLATE "C",
    patient_id text COLLATE "C",
    issuer_of_patient_id text COLLATE "C",
    other_patient_ids text[] COLLATE "C",
    patient_birth_date integer,
    patient_sex text COLLATE "C",
    -- The level's own attributes as the DICOM JSON object that a search sends.
    attributes bytea NOT NULL
) WITH (fillfactor = 70);  -- every stored instance updates its study and series: room to do so in place
CREATE INDEX study_started ON study (tenant_id, started_from DESC NULLS LAST, study_instance_uid);
CREATE INDEX study_patient_id ON study (tenant_id, patient_id);
CREATE INDEX study_accession_number ON study (tenant_id, accession_number);
CREATE INDEX study_study_id ON study (tenant_id, study_id);
CREATE INDEX study_patient_name ON study (tenant_id, patient_name);
CREATE INDEX study_referring_physician_name ON study (tenant_id, referring_physician_name);
CREATE INDEX study_patient_birth_date ON study (tenant_id, patient_birth_date);
CREATE INDEX study_patient_name_groups ON study USING gin (patient_name_groups gin_trgm_ops);
CREATE INDEX study_study_description ON study USING gin (study_description gin_trgm_ops);
CREATE INDEX study_modalities ON study USING gin (modalities);
-- Here and below the index that finds a row by its UID is made last. While a table is new and empty all
-- indexes look alike to the planner, and of equals it takes the newest.
ALTER TABLE study ADD UNIQUE (tenant_id, study_instance_uid);

CREATE TABLE series (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    study_row bigint NOT NULL REFERENCES study (id),
    tenant_id integer NOT NULL,
    series_instance_uid text COLLATE "C" NOT NULL,
    revision bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    number_of_instances integer NOT NULL DEFAULT 0,
    modality text COLLATE "C",
    series_number double precision,
    series_description text COLLATE "C",
    body_part_examined text COLLATE "C",
    institution_name text COLLATE "C",
    manufacturer text COLLATE "C",
    manufacturer_model_name text COLLATE "C",
    station_name text COLLATE "C",
    performed_procedure_step_start_date integer,
    performed_procedure_step_start_time_from bigint,
    performed_procedure_step_start_time_to bigint,
    -- One element an item of RequestAttributesSequence, in step; '' where the item has no value.
    scheduled_procedure_step_ids text[] COLLATE "C",
    requested_procedure_ids text[] COLLATE "C",
    attributes bytea NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX series_uid ON series (tenant_id, series_instance_uid);
CREATE INDEX series_order ON series (study_row, series_number, series_instance_uid);
CREATE INDEX series_modality ON series (tenant_id, modality);
ALTER TABLE series ADD UNIQUE (study_row, series_instance_uid);

CREATE TABLE instance (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    series_row bigint NOT NULL REFERENCES series (id),
    tenant_id integer NOT NULL,
    sop_instance_uid text COLLATE "C" NOT NULL,
    sop_class_uid text COLLATE "C" NOT NULL,
    transfer_syntax_uid text COLLATE "C" NOT NULL,
    instance_number double precision,
    content_date integer,
    number_of_frames integer NOT NULL DEFAULT 0,
    revision bigint NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT now(),
    -- Set when a newer version took its place: kept, but no longer counted, searched or retrieved. Old
    -- versions follow their newest one to its series, so that a series that is left empty can vanish.
    superseded_at timestamptz,
    attributes bytea NOT NULL,
    -- The received bytes, untouched: blob_length bytes at blob_offset of blob_key.
    blob_key text COLLATE "C" NOT NULL REFERENCES blob (blob_key),
    blob_offset bigint NOT NULL,
    blob_length bigint NOT NULL,
    -- The data set begins this far into the received bytes and runs to their end.
    dataset_offset integer NOT NULL,
    -- BLAKE3 of the received data set.
    digest bytea NOT NULL,
    -- Group 2 as it is sent (Explicit VR Little Endian, group length right), and the preamble where it is TIFF.
    file_meta bytea NOT NULL,
    preamble bytea,
    -- A deflated data set inflated: what bulkdata and frame offsets count from instead of the received bytes.
    inflated_key text COLLATE "C" REFERENCES blob (blob_key),
    inflated_offset bigint,
    inflated_length bigint,
    -- Pixel layout as JSON (dicomweb/dicom/pixel_layout.py), null without pixel data.
    pixel_layout bytea,
    -- Bytes found missing or damaged while reading.
    damaged_at timestamptz
);
CREATE INDEX instance_version ON instance (tenant_id, sop_instance_uid) WHERE superseded_at IS NOT NULL;
-- Of old versions too: the foreign key and the deletion of a series look for them by this index.
CREATE INDEX instance_order ON instance (series_row, instance_number, sop_instance_uid);
-- Neither with the tenant nor for current rows only: while the table is new, the planner would take that for as
-- good as instance_uid.
CREATE INDEX instance_sop_class ON instance (sop_class_uid);
CREATE INDEX instance_blob ON instance (blob_key);
CREATE INDEX instance_inflated ON instance (inflated_key) WHERE inflated_key IS NOT NULL;
CREATE UNIQUE INDEX instance_uid ON instance (tenant_id, sop_instance_uid) WHERE superseded_at IS NULL;

-- Beside the row, so that searches and frame reads never touch it. Here and for frames there is no foreign
-- key: its trigger for every row made the deletion of a large study four times as long, and both tables are
-- written and emptied only by the statements that write and delete the instance itself.
CREATE TABLE instance_metadata (
    instance_row bigint PRIMARY KEY,
    -- zstd of the DICOM JSON object; every BulkDataURI is a path that begins with '/studies/'.
    metadata bytea NOT NULL,
    -- zstd of JSON {path: [vr, offset, length]}: where each bulkdata value lies.
    bulkdata bytea
);
ALTER TABLE instance_metadata ALTER COLUMN metadata SET STORAGE EXTERNAL;
ALTER TABLE instance_metadata ALTER COLUMN bulkdata SET STORAGE EXTERNAL;

-- Encapsulated pixel data only: fixed-width entries (dicomweb/dicom/frame_index.py), so that substring()
-- reads the entry of one frame out of 200,000 without the rest.
CREATE TABLE instance_frames (
    instance_row bigint PRIMARY KEY,
    entries bytea NOT NULL
);
ALTER TABLE instance_frames ALTER COLUMN entries SET STORAGE EXTERNAL;

-- What was deleted, so that a retrieve answers 410 and not 404. Storing again removes the line.
CREATE TABLE tombstone (
    tenant_id integer NOT NULL,
    study_instance_uid text COLLATE "C" NOT NULL,
    series_instance_uid text COLLATE "C" NOT NULL DEFAULT '',
    sop_instance_uid text COLLATE "C" NOT NULL DEFAULT '',
    deleted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, study_instance_uid, series_instance_uid, sop_instance_uid)
);
