-- The modalities of studies in the order of answers: a page of one modality is read from here alone, however
-- rare it is and however long ago it was in use. study.modalities holds the same, and a trigger keeps them so:
-- it fires when the modalities or the date of a study change, not for every instance that is stored.
CREATE TABLE study_modality (
    tenant_id integer NOT NULL,
    modality text COLLATE "C" NOT NULL,
    -- -1 where the study has no date: those come last.
    started_from bigint NOT NULL,
    study_instance_uid text COLLATE "C" NOT NULL,
    study_row bigint NOT NULL
);

INSERT INTO study_modality
SELECT tenant_id, modality, coalesce(started_from, -1), study_instance_uid, id
  FROM study, unnest(modalities) AS modality;

CREATE UNIQUE INDEX study_modality_order
    ON study_modality (tenant_id, modality, started_from DESC, study_instance_uid) INCLUDE (study_row);

CREATE FUNCTION keep_study_modality() RETURNS trigger LANGUAGE plpgsql AS $$
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
$$;
CREATE TRIGGER study_modality_added AFTER INSERT OR DELETE ON study
    FOR EACH ROW EXECUTE FUNCTION keep_study_modality();
CREATE TRIGGER study_modality_changed AFTER UPDATE ON study
    FOR EACH ROW
    WHEN (OLD.modalities IS DISTINCT FROM NEW.modalities OR OLD.started_from IS DISTINCT FROM NEW.started_from)
    EXECUTE FUNCTION keep_study_modality();
-- Also where a bulk load keeps foreign keys from being checked.
ALTER TABLE study ENABLE ALWAYS TRIGGER study_modality_added;
ALTER TABLE study ENABLE ALWAYS TRIGGER study_modality_changed;
