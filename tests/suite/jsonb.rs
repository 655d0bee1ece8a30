//! The engine's reader and writer of JSONB, against PostgreSQL's own.

use ingest_tests::Database;
use jsonb::testing::{Rng, random_json};

const FUNCTIONS: &str = "
    CREATE FUNCTION public.read(jsonb) RETURNS text
        LANGUAGE c AS '$libdir/ingest_ext', 'test_jsonb_text_wrapper';
    CREATE FUNCTION public.copy(jsonb) RETURNS jsonb
        LANGUAGE c AS '$libdir/ingest_ext', 'test_jsonb_copy_wrapper';
    CREATE TABLE public.plain (value jsonb);
    ALTER TABLE public.plain ALTER value SET STORAGE EXTERNAL;
    CREATE TABLE public.packed (value jsonb);";

/// What the reader sees is what `jsonb_out` prints, and what the writer writes is byte for byte what
/// `jsonb_in` has made, of random values: as they come, from a table, compressed, and out of line.
#[test]
fn random_values_are_read_and_written_as_postgresql_does() {
    let database = Database::new("jsonb");
    let mut client = database.connect();
    client.batch_execute(FUNCTIONS).unwrap();
    // `record_image_eq` compares the images of records, not their values.
    let compare = client
        .prepare(
            "SELECT public.read(value) = value::text, record_image_eq(ROW(public.copy(value)), ROW(value))
             FROM (SELECT $1::text::jsonb AS value) AS given",
        )
        .unwrap();
    let mut rng = Rng::with_seed(20_261_122);
    let mut texts = Vec::new();
    for _ in 0..1_000 {
        let text = random_json(&mut rng);
        // What PostgreSQL itself refuses (a lone surrogate, U+0000) is nothing to read.
        let Ok(row) = client.query_one(&compare, &[&text]) else {
            continue;
        };
        assert!(row.get::<_, bool>(0), "read: {text}");
        assert!(row.get::<_, bool>(1), "written: {text}");
        texts.push(text);
    }
    assert!(texts.len() > 800, "{} values", texts.len());
    // Large ones, so that they are compressed or stored out of line.
    let large: Vec<String> = texts
        .chunks(100)
        .map(|chunk| format!("[{}]", chunk.join(",")))
        .collect();
    for table in ["plain", "packed"] {
        let insert = format!("INSERT INTO public.{table} SELECT unnest($1::text[])::jsonb");
        client.execute(&insert, &[&large]).unwrap();
        client.execute(&insert, &[&texts]).unwrap();
        let wrong: i64 = client
            .query_one(
                &format!(
                    "SELECT count(*) FILTER (WHERE public.read(value) <> value::text
                         OR NOT record_image_eq(ROW(public.copy(value)), ROW((value::text)::jsonb)))
                     FROM public.{table}"
                ),
                &[],
            )
            .unwrap()
            .get(0);
        assert_eq!(wrong, 0, "{table}");
    }
}
