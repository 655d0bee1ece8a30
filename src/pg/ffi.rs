//! PostgreSQL's functions as this extension calls them: declared here by hand, because pgrx's own
//! declarations turn an ERROR into a Rust panic and lose its SQLSTATE and its fields.
//!
//! Whatever can raise an ERROR is called inside [`super::catch::guard`] and nowhere else.

use core::ffi::{c_char, c_int, c_long, c_uint, c_void};
use pgrx::pg_sys::{
    AclMode, BlockNumber, Buffer, Datum, DestReceiver, ErrorData, FullTransactionId,
    FunctionCallInfo, GlobalVisState, HeapTuple, HeapTupleHeader, IndexScanDesc, ItemPointer,
    LOCKMODE, LOCKTAG, List, MemoryContext, Node, Oid, ParamListInfo, PlannedStmt, Portal,
    ProcessUtilityContext, Query, QueryCompletion, QueryDesc, QueryEnvironment, Relation,
    RelcacheCallbackFunction, SPIPlanPtr, SPITupleTable, ScanDirection, ScanKey, Snapshot,
    SubTransactionId, SyscacheCallbackFunction, TransactionId, TupleDesc, TupleTableSlot,
    Tuplestorestate, varlena,
};

unsafe extern "C-unwind" {
    // elog.h
    pub fn errstart(level: c_int, domain: *const c_char) -> bool;
    pub fn errcode(sqlerrcode: c_int) -> c_int;
    pub fn errmsg_internal(format: *const c_char, ...) -> c_int;
    pub fn errdetail_internal(format: *const c_char, ...) -> c_int;
    pub fn err_generic_string(field: c_int, text: *const c_char) -> c_int;
    pub fn errhint(format: *const c_char, ...) -> c_int;
    pub fn errfinish(file: *const c_char, line: c_int, function: *const c_char);
    pub fn CopyErrorData() -> *mut ErrorData;
    pub fn FlushErrorState();
    pub fn ReThrowError(error: *mut ErrorData) -> !;

    // palloc.h, memutils.h, fmgr.h
    pub fn AllocSetContextCreateInternal(
        parent: MemoryContext,
        name: *const c_char,
        least: usize,
        first: usize,
        most: usize,
    ) -> MemoryContext;
    pub fn MemoryContextReset(context: MemoryContext);
    pub fn MemoryContextStrdup(context: MemoryContext, text: *const c_char) -> *mut c_char;
    pub fn MemoryContextDelete(context: MemoryContext);
    pub fn palloc(size: usize) -> *mut c_void;
    pub fn pg_detoast_datum(datum: *mut varlena) -> *mut varlena;
    pub fn pg_detoast_datum_packed(datum: *mut varlena) -> *mut varlena;

    // dsm_registry.h
    #[cfg(any(feature = "pg17", feature = "pg18"))]
    pub fn GetNamedDSMSegment(
        name: *const c_char,
        size: usize,
        init: Option<unsafe extern "C-unwind" fn(*mut c_void)>,
        found: *mut bool,
    ) -> *mut c_void;

    // spi.h
    pub fn SPI_connect() -> c_int;
    pub fn SPI_finish() -> c_int;
    pub fn SPI_prepare_cursor(
        sql: *const c_char,
        count: c_int,
        types: *mut Oid,
        options: c_int,
    ) -> SPIPlanPtr;
    pub fn SPI_keepplan(plan: SPIPlanPtr) -> c_int;
    pub fn SPI_freeplan(plan: SPIPlanPtr) -> c_int;
    pub fn SPI_cursor_open(
        name: *const c_char,
        plan: SPIPlanPtr,
        values: *mut Datum,
        nulls: *const c_char,
        read_only: bool,
    ) -> Portal;
    pub fn SPI_cursor_fetch(portal: Portal, forward: bool, count: c_long);
    pub fn SPI_cursor_close(portal: Portal);
    pub fn SPI_freetuptable(table: *mut SPITupleTable);
    pub fn SPI_execute(sql: *const c_char, read_only: bool, limit: c_long) -> c_int;
    pub fn SPI_execute_plan(
        plan: SPIPlanPtr,
        values: *mut Datum,
        nulls: *const c_char,
        read_only: bool,
        limit: c_long,
    ) -> c_int;
    pub fn SPI_execute_snapshot(
        plan: SPIPlanPtr,
        values: *mut Datum,
        nulls: *const c_char,
        snapshot: Snapshot,
        crosscheck: Snapshot,
        read_only: bool,
        fire_triggers: bool,
        limit: c_long,
    ) -> c_int;
    pub fn SPI_getbinval(
        tuple: HeapTuple,
        shape: TupleDesc,
        column: c_int,
        is_null: *mut bool,
    ) -> Datum;
    pub fn SPI_gettypeid(shape: TupleDesc, column: c_int) -> Oid;
    pub fn SPI_fnumber(shape: TupleDesc, name: *const c_char) -> c_int;

    // htup_details.h, tuptable.h, funcapi.h, tuplestore.h
    pub fn slot_getsomeattrs_int(slot: *mut TupleTableSlot, count: c_int);
    pub fn heap_deform_tuple(
        tuple: HeapTuple,
        shape: TupleDesc,
        values: *mut Datum,
        nulls: *mut bool,
    );
    pub fn heap_form_tuple(shape: TupleDesc, values: *mut Datum, nulls: *mut bool) -> HeapTuple;
    pub fn HeapTupleHeaderGetDatum(header: HeapTupleHeader) -> Datum;
    pub fn GetAttributeByNum(tuple: HeapTupleHeader, column: i16, is_null: *mut bool) -> Datum;
    pub fn get_call_result_type(
        call: FunctionCallInfo,
        type_id: *mut Oid,
        shape: *mut TupleDesc,
    ) -> c_int;
    pub fn lookup_rowtype_tupdesc_copy(type_id: Oid, modifier: i32) -> TupleDesc;
    pub fn equalTupleDescs(one: TupleDesc, other: TupleDesc) -> bool;
    pub fn CreateTupleDescCopy(shape: TupleDesc) -> TupleDesc;
    pub fn BlessTupleDesc(shape: TupleDesc) -> TupleDesc;
    pub fn InitMaterializedSRF(call: FunctionCallInfo, flags: u32);
    pub fn tuplestore_putvalues(
        store: *mut Tuplestorestate,
        shape: TupleDesc,
        values: *mut Datum,
        nulls: *mut bool,
    );

    // miscadmin.h, snapmgr.h, timestamp.h
    pub fn GetUserIdAndSecContext(user: *mut Oid, context: *mut c_int);
    pub fn SetUserIdAndSecContext(user: Oid, context: c_int);
    pub fn GetCatalogSnapshot(relation: Oid) -> Snapshot;
    pub fn GetTransactionSnapshot() -> Snapshot;
    pub fn PushActiveSnapshot(snapshot: Snapshot);
    pub fn PopActiveSnapshot();
    pub fn GetLatestSnapshot() -> Snapshot;
    pub fn GetUserId() -> Oid;
    pub fn GetSessionUserId() -> Oid;
    pub fn GetUserNameFromId(role: Oid, missing_ok: bool) -> *mut c_char;
    pub fn GetActiveSnapshot() -> Snapshot;
    pub fn ActiveSnapshotSet() -> bool;
    pub fn GetCurrentTimestamp() -> i64;
    pub fn GetCurrentStatementStartTimestamp() -> i64;
    pub fn ProcessInterrupts();

    // acl.h, namespace.h
    pub fn get_extension_oid(name: *const c_char, missing_ok: bool) -> Oid;
    pub fn get_namespace_oid(name: *const c_char, missing_ok: bool) -> Oid;
    #[cfg(feature = "pg15")]
    pub fn pg_namespace_aclcheck(schema: Oid, role: Oid, mode: AclMode) -> c_uint;
    #[cfg(feature = "pg15")]
    pub fn pg_database_aclcheck(database: Oid, role: Oid, mode: AclMode) -> c_uint;
    #[cfg(not(feature = "pg15"))]
    pub fn object_aclcheck(class: Oid, object: Oid, role: Oid, mode: AclMode) -> c_uint;

    // planner.h
    pub fn standard_planner(
        query: *mut Query,
        sql: *const c_char,
        options: c_int,
        parameters: ParamListInfo,
    ) -> *mut PlannedStmt;

    // planmain.h
    pub fn extract_query_dependencies(
        query: *mut Node,
        relations: *mut *mut List,
        others: *mut *mut List,
        policies: *mut bool,
    );

    // executor.h
    pub fn standard_ExecutorStart(query: *mut QueryDesc, flags: c_int);

    // namespace.h, lsyscache.h, lmgr.h, table.h, relcache.h, genam.h, skey.h
    pub fn get_relname_relid(name: *const c_char, schema: Oid) -> Oid;
    pub fn get_index_isvalid(index: Oid) -> bool;
    pub fn table_open(relation: Oid, mode: LOCKMODE) -> Relation;
    pub fn try_table_open(relation: Oid, mode: LOCKMODE) -> Relation;
    pub fn table_close(relation: Relation, mode: LOCKMODE);
    pub fn get_rel_relkind(relation: Oid) -> c_char;
    pub fn has_superclass(relation: Oid) -> bool;
    pub fn RelationGetIndexList(relation: Relation) -> *mut List;
    pub fn RelationGetIndexExpressions(index: Relation) -> *mut List;
    pub fn RelationGetIndexPredicate(index: Relation) -> *mut List;
    pub fn RelationGetPrimaryKeyIndex(
        relation: Relation,
        #[cfg(feature = "pg18")] deferrable_ok: bool,
    ) -> Oid;
    pub fn index_open(index: Oid, mode: LOCKMODE) -> Relation;
    pub fn index_close(index: Relation, mode: LOCKMODE);
    pub fn index_beginscan(
        table: Relation,
        index: Relation,
        snapshot: Snapshot,
        #[cfg(feature = "pg18")] instrument: *mut pgrx::pg_sys::IndexScanInstrumentation,
        keys: c_int,
        orders: c_int,
    ) -> IndexScanDesc;
    pub fn index_rescan(
        scan: IndexScanDesc,
        keys: ScanKey,
        count: c_int,
        orders: ScanKey,
        order_count: c_int,
    );
    pub fn index_getnext_tid(scan: IndexScanDesc, direction: ScanDirection::Type) -> ItemPointer;
    pub fn index_fetch_heap(scan: IndexScanDesc, slot: *mut TupleTableSlot) -> bool;
    pub fn index_endscan(scan: IndexScanDesc);
    pub fn table_slot_create(table: Relation, list: *mut *mut List) -> *mut TupleTableSlot;
    pub fn ExecDropSingleTupleTableSlot(slot: *mut TupleTableSlot);
    pub fn GlobalVisTestFor(table: Relation) -> *mut GlobalVisState;
    pub fn ScanKeyInit(key: ScanKey, column: i16, strategy: u16, function: Oid, argument: Datum);

    // bufmgr.h
    pub fn ReadBuffer(relation: Relation, block: BlockNumber) -> Buffer;
    pub fn LockBuffer(buffer: Buffer, mode: c_int);
    pub fn UnlockReleaseBuffer(buffer: Buffer);

    // pgstat.h
    pub fn pgstat_assoc_relation(relation: Relation);

    // lock.h
    pub fn LockAcquire(tag: *const LOCKTAG, mode: c_int, session: bool, dont_wait: bool) -> c_uint;

    // xact.h, transam.h, xlog.h
    pub fn GetTopFullTransactionId() -> FullTransactionId;
    pub fn ReadNextFullTransactionId() -> FullTransactionId;
    pub fn GetSystemIdentifier() -> u64;
    pub fn RecoveryInProgress() -> bool;
    pub fn GetCurrentTransactionNestLevel() -> c_int;
    pub fn GetCurrentSubTransactionId() -> SubTransactionId;
    pub fn CommandCounterIncrement();
    pub fn TransactionIdIsCurrentTransactionId(xid: TransactionId) -> bool;
    pub fn BeginInternalSubTransaction(name: *const c_char);
    pub fn ReleaseCurrentSubTransaction();
    pub fn RollbackAndReleaseCurrentSubTransaction();

    // async.h
    pub fn Async_Notify(channel: *const c_char, payload: *const c_char);

    // inval.h
    pub fn AcceptInvalidationMessages();
    pub fn CacheRegisterRelcacheCallback(function: RelcacheCallbackFunction, argument: Datum);
    pub fn CacheRegisterSyscacheCallback(
        cache: c_int,
        function: SyscacheCallbackFunction,
        argument: Datum,
    );
    pub fn CacheInvalidateRelcacheByRelid(relation: Oid);

    // lmgr.h, pg_inherits.h
    pub fn LockRelationOid(relation: Oid, mode: c_int);
    pub fn find_all_inheritors(parent: Oid, mode: c_int, counts: *mut *mut List) -> *mut List;

    // syscache.h, builtins.h
    pub fn GetSysCacheOid(
        cache: c_int,
        column: i16,
        key1: Datum,
        key2: Datum,
        key3: Datum,
        key4: Datum,
    ) -> Oid;
    pub fn buildoidvector(of: *const Oid, count: c_int) -> *mut pgrx::pg_sys::oidvector;

    // lsyscache.h
    pub fn get_func_signature(function: Oid, types: *mut *mut Oid, count: *mut c_int) -> Oid;
    pub fn type_is_rowtype(of: Oid) -> bool;
    pub fn getTypeInputInfo(of: Oid, function: *mut Oid, parameter: *mut Oid);

    // fmgr.h
    pub fn OidInputFunctionCall(
        function: Oid,
        text: *mut c_char,
        parameter: Oid,
        modifier: i32,
    ) -> Datum;

    // lsyscache.h
    pub fn get_namespace_name(schema: Oid) -> *mut c_char;

    // arrayfns
    pub fn construct_md_array(
        elements: *mut Datum,
        nulls: *mut bool,
        dimensions: c_int,
        lengths: *mut c_int,
        bounds: *mut c_int,
        element_type: Oid,
        length: c_int,
        by_value: bool,
        align: c_char,
    ) -> *mut c_void;
    pub fn deconstruct_array(
        array: *mut c_void,
        element_type: Oid,
        length: c_int,
        by_value: bool,
        align: c_char,
        elements: *mut *mut Datum,
        nulls: *mut *mut bool,
        count: *mut c_int,
    );
    pub fn construct_array(
        elements: *mut Datum,
        count: c_int,
        element_type: Oid,
        length: c_int,
        by_value: bool,
        align: c_char,
    ) -> *mut c_void;

    // jsonb.h, fmgr.h
    pub fn jsonb_in(call: FunctionCallInfo) -> Datum;
    pub fn DirectFunctionCall1Coll(
        function: Option<unsafe extern "C-unwind" fn(FunctionCallInfo) -> Datum>,
        collation: Oid,
        argument: Datum,
    ) -> Datum;
    #[cfg(feature = "testing")]
    pub fn JsonbIteratorInit(
        container: *mut pgrx::pg_sys::JsonbContainer,
    ) -> *mut pgrx::pg_sys::JsonbIterator;
    #[cfg(feature = "testing")]
    pub fn JsonbIteratorNext(
        iterator: *mut *mut pgrx::pg_sys::JsonbIterator,
        value: *mut pgrx::pg_sys::JsonbValue,
        skip_nested: bool,
    ) -> c_int;

    // json.h
    pub fn JsonEncodeDateTime(
        buffer: *mut c_char,
        value: Datum,
        type_id: Oid,
        zone: *const c_int,
    ) -> *mut c_char;

    // utility.h
    pub fn standard_ProcessUtility(
        planned: *mut PlannedStmt,
        query: *const c_char,
        read_only_tree: bool,
        context: ProcessUtilityContext::Type,
        params: ParamListInfo,
        environment: *mut QueryEnvironment,
        receiver: *mut DestReceiver,
        completion: *mut QueryCompletion,
    );

    // guc.h
    pub fn NewGUCNestLevel() -> c_int;
    pub fn AtEOXact_GUC(commit: bool, level: c_int);
    pub fn GetConfigOption(
        name: *const c_char,
        missing_ok: bool,
        restrict_privileged: bool,
    ) -> *const c_char;
    pub fn set_config_option(
        name: *const c_char,
        value: *const c_char,
        context: u32,
        source: u32,
        action: u32,
        change: bool,
        level: c_int,
        is_reload: bool,
    ) -> c_int;
    pub fn DefineCustomStringVariable(
        name: *const c_char,
        short: *const c_char,
        long: *const c_char,
        value: *mut *mut c_char,
        boot: *const c_char,
        context: u32,
        flags: c_int,
        check: pgrx::pg_sys::GucStringCheckHook,
        assign: pgrx::pg_sys::GucStringAssignHook,
        show: pgrx::pg_sys::GucShowHook,
    );
    #[cfg(feature = "pg15")]
    pub fn get_guc_variables() -> *mut *mut pgrx::pg_sys::config_generic;
    #[cfg(feature = "pg15")]
    pub fn GetNumConfigOptions() -> c_int;
    #[cfg(not(feature = "pg15"))]
    pub fn find_option(
        name: *const c_char,
        create_placeholders: bool,
        skip_errors: bool,
        level: c_int,
    ) -> *mut pgrx::pg_sys::config_generic;
    pub fn DefineCustomBoolVariable(
        name: *const c_char,
        short: *const c_char,
        long: *const c_char,
        value: *mut bool,
        boot: bool,
        context: u32,
        flags: c_int,
        check: *const c_void,
        assign: *const c_void,
        show: *const c_void,
    );
    pub fn DefineCustomIntVariable(
        name: *const c_char,
        short: *const c_char,
        long: *const c_char,
        value: *mut c_int,
        boot: c_int,
        min: c_int,
        max: c_int,
        context: u32,
        flags: c_int,
        check: *const c_void,
        assign: *const c_void,
        show: *const c_void,
    );
    pub fn MarkGUCPrefixReserved(prefix: *const c_char);
}

unsafe extern "C" {
    /// The context that `palloc` uses now.
    pub static mut CurrentMemoryContext: MemoryContext;
}
