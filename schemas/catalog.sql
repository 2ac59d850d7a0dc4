-- The whole schema after all migrations. Generated: python -m tests.catalog.schema_text

CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE SEQUENCE revision AS bigint;

CREATE TABLE blob (
    blob_key text COLLATE "C" NOT NULL,
    size bigint NOT NULL,
    live integer NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    doomed_at timestamp with time zone
);

CREATE TABLE instance (
    id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
    series_row bigint NOT NULL,
    tenant_id integer NOT NULL,
    sop_instance_uid text COLLATE "C" NOT NULL,
    sop_class_uid text COLLATE "C" NOT NULL,
    transfer_syntax_uid text COLLATE "C" NOT NULL,
    instance_number double precision,
    content_date integer,
    number_of_frames integer DEFAULT 0 NOT NULL,
    revision bigint NOT NULL,
    stored_at timestamp with time zone DEFAULT now() NOT NULL,
    superseded_at timestamp with time zone,
    attributes bytea NOT NULL,
    blob_key text COLLATE "C" NOT NULL,
    blob_offset bigint NOT NULL,
    blob_length bigint NOT NULL,
    dataset_offset integer NOT NULL,
    digest bytea NOT NULL,
    file_meta bytea NOT NULL,
    preamble bytea,
    inflated_key text COLLATE "C",
    inflated_offset bigint,
    inflated_length bigint,
    pixel_layout bytea,
    damaged_at timestamp with time zone,
    received text COLLATE "C"
);

CREATE TABLE instance_frames (
    instance_row bigint NOT NULL,
    entries bytea NOT NULL
);

CREATE TABLE instance_metadata (
    instance_row bigint NOT NULL,
    metadata bytea NOT NULL,
    bulkdata bytea
);

CREATE TABLE series (
    id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
    study_row bigint NOT NULL,
    tenant_id integer NOT NULL,
    series_instance_uid text COLLATE "C" NOT NULL,
    revision bigint NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    number_of_instances integer DEFAULT 0 NOT NULL,
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
    scheduled_procedure_step_ids text[] COLLATE "C",
    requested_procedure_ids text[] COLLATE "C",
    attributes bytea NOT NULL
) WITH (fillfactor=70);

CREATE TABLE study (
    id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
    tenant_id integer NOT NULL,
    study_instance_uid text COLLATE "C" NOT NULL,
    revision bigint NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    number_of_series integer DEFAULT 0 NOT NULL,
    number_of_instances integer DEFAULT 0 NOT NULL,
    modalities text[] COLLATE "C" DEFAULT '{}'::text[] NOT NULL,
    sop_classes text[] COLLATE "C" DEFAULT '{}'::text[] NOT NULL,
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
    attributes bytea NOT NULL
) WITH (fillfactor=70);

CREATE TABLE study_modality (
    tenant_id integer NOT NULL,
    modality text COLLATE "C" NOT NULL,
    started_from bigint NOT NULL,
    study_instance_uid text COLLATE "C" NOT NULL,
    study_row bigint NOT NULL
);

CREATE TABLE tombstone (
    tenant_id integer NOT NULL,
    study_instance_uid text COLLATE "C" NOT NULL,
    series_instance_uid text COLLATE "C" DEFAULT ''::text NOT NULL,
    sop_instance_uid text COLLATE "C" DEFAULT ''::text NOT NULL,
    deleted_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE instance_frames ALTER COLUMN entries SET STORAGE EXTERNAL;
ALTER TABLE instance_metadata ALTER COLUMN metadata SET STORAGE EXTERNAL;
ALTER TABLE instance_metadata ALTER COLUMN bulkdata SET STORAGE EXTERNAL;

ALTER TABLE blob ADD CONSTRAINT blob_pkey PRIMARY KEY (blob_key);
ALTER TABLE instance ADD CONSTRAINT instance_pkey PRIMARY KEY (id);
ALTER TABLE instance_frames ADD CONSTRAINT instance_frames_pkey PRIMARY KEY (instance_row);
ALTER TABLE instance_metadata ADD CONSTRAINT instance_metadata_pkey PRIMARY KEY (instance_row);
ALTER TABLE series ADD CONSTRAINT series_pkey PRIMARY KEY (id);
ALTER TABLE study ADD CONSTRAINT study_pkey PRIMARY KEY (id);
ALTER TABLE tombstone ADD CONSTRAINT tombstone_pkey PRIMARY KEY (tenant_id, study_instance_uid, series_instance_uid, sop_instance_uid);
ALTER TABLE series ADD CONSTRAINT series_study_row_series_instance_uid_key UNIQUE (study_row, series_instance_uid);
ALTER TABLE study ADD CONSTRAINT study_tenant_id_study_instance_uid_key UNIQUE (tenant_id, study_instance_uid);
ALTER TABLE instance ADD CONSTRAINT instance_blob_key_fkey FOREIGN KEY (blob_key) REFERENCES blob(blob_key);
ALTER TABLE instance ADD CONSTRAINT instance_inflated_key_fkey FOREIGN KEY (inflated_key) REFERENCES blob(blob_key);
ALTER TABLE instance ADD CONSTRAINT instance_series_row_fkey FOREIGN KEY (series_row) REFERENCES series(id);
ALTER TABLE series ADD CONSTRAINT series_study_row_fkey FOREIGN KEY (study_row) REFERENCES study(id);

CREATE INDEX blob_doomed ON public.blob USING btree (doomed_at) WHERE (doomed_at IS NOT NULL);
CREATE INDEX instance_blob ON public.instance USING btree (blob_key);
CREATE INDEX instance_inflated ON public.instance USING btree (inflated_key) WHERE (inflated_key IS NOT NULL);
CREATE INDEX instance_order ON public.instance USING btree (series_row, instance_number, sop_instance_uid);
CREATE INDEX instance_sop_class ON public.instance USING btree (sop_class_uid);
CREATE UNIQUE INDEX instance_uid ON public.instance USING btree (tenant_id, sop_instance_uid) WHERE (superseded_at IS NULL);
CREATE INDEX instance_version ON public.instance USING btree (tenant_id, sop_instance_uid) WHERE (superseded_at IS NOT NULL);
CREATE INDEX series_modality ON public.series USING btree (tenant_id, modality);
CREATE INDEX series_order ON public.series USING btree (study_row, series_number, series_instance_uid);
CREATE INDEX series_uid ON public.series USING btree (tenant_id, series_instance_uid);
CREATE INDEX study_accession_number ON public.study USING btree (tenant_id, accession_number, started_from DESC NULLS LAST, study_instance_uid) INCLUDE (id);
CREATE INDEX study_issuer_of_patient_id ON public.study USING btree (tenant_id, issuer_of_patient_id);
CREATE INDEX study_modalities ON public.study USING gin (modalities);
CREATE INDEX study_patient_birth_date ON public.study USING btree (tenant_id, patient_birth_date);
CREATE INDEX study_patient_id ON public.study USING btree (tenant_id, patient_id, started_from DESC NULLS LAST, study_instance_uid) INCLUDE (id);
CREATE INDEX study_patient_id_parts ON public.study USING gin (patient_id gin_trgm_ops);
CREATE INDEX study_patient_name ON public.study USING btree (tenant_id, patient_name) INCLUDE (id, started_from, study_instance_uid);
CREATE INDEX study_patient_name_groups ON public.study USING gin (patient_name_groups gin_trgm_ops);
CREATE INDEX study_patient_name_others ON public.study USING btree (tenant_id) WHERE (patient_name_groups ~~ '
%
%
%
%
	%'::text);
CREATE INDEX study_patient_name_second ON public.study USING btree (tenant_id, split_part(patient_name_groups, '
'::text, 3)) WHERE (patient_name_groups ~~ '
%
%
	%'::text);
CREATE INDEX study_patient_name_start ON public.study USING btree (tenant_id, "left"(patient_name, 2), started_from DESC NULLS LAST, study_instance_uid) INCLUDE (id, patient_name);
CREATE INDEX study_patient_name_third ON public.study USING btree (tenant_id, split_part(patient_name_groups, '
'::text, 4)) WHERE (patient_name_groups ~~ '
%
%
%
	%'::text);
CREATE INDEX study_patient_sex ON public.study USING btree (tenant_id, patient_sex);
CREATE INDEX study_referring_physician_name ON public.study USING btree (tenant_id, referring_physician_name);
CREATE INDEX study_referring_physician_name_groups ON public.study USING gin (referring_physician_name_groups gin_trgm_ops);
CREATE INDEX study_referring_physician_name_second ON public.study USING btree (tenant_id) WHERE (referring_physician_name_groups ~~ '
%
%
	%'::text);
CREATE INDEX study_started ON public.study USING btree (tenant_id, started_from DESC NULLS LAST, study_instance_uid) INCLUDE (id);
CREATE INDEX study_study_description ON public.study USING gin (translate(study_description, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'::text, 'あぃいぅうぇえぉおかがきぎくぐけげこごさざしじすずせ'::text) gin_trgm_ops);
CREATE INDEX study_study_id ON public.study USING btree (tenant_id, study_id);
CREATE UNIQUE INDEX study_modality_order ON public.study_modality USING btree (tenant_id, modality, started_from DESC, study_instance_uid) INCLUDE (study_row);

CREATE OR REPLACE FUNCTION public.keep_study_modality()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        DELETE FROM study_modality
         WHERE tenant_id = OLD.tenant_id AND modality = ANY (OLD.modalities)
           AND started_from = coalesce(OLD.started_from, -1) AND study_instance_uid = OLD.study_instance_uid;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO study_modality (tenant_id, modality, started_from, study_instance_uid, study_row)
        SELECT DISTINCT NEW.tenant_id, modality, coalesce(NEW.started_from, -1), NEW.study_instance_uid, NEW.id
          FROM unnest(NEW.modalities) AS modality;
    END IF;
    RETURN NULL;
END
$function$
;

CREATE TRIGGER study_modality_added AFTER INSERT OR DELETE ON public.study FOR EACH ROW EXECUTE FUNCTION keep_study_modality();
ALTER TABLE study ENABLE ALWAYS TRIGGER study_modality_added;
CREATE TRIGGER study_modality_changed AFTER UPDATE ON public.study FOR EACH ROW WHEN (((old.modalities IS DISTINCT FROM new.modalities) OR (old.started_from IS DISTINCT FROM new.started_from))) EXECUTE FUNCTION keep_study_modality();
ALTER TABLE study ENABLE ALWAYS TRIGGER study_modality_changed;
