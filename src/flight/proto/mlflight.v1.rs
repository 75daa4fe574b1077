#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ScoreSpec {
    #[prost(uint32, tag = "1")]
    pub protocol: u32,
    #[prost(string, tag = "2")]
    pub uri: ::prost::alloc::string::String,
    #[prost(string, tag = "3")]
    pub digest: ::prost::alloc::string::String,
    #[prost(string, tag = "4")]
    pub engine: ::prost::alloc::string::String,
    #[prost(string, tag = "5")]
    pub compat: ::prost::alloc::string::String,
    #[prost(string, tag = "6")]
    pub params: ::prost::alloc::string::String,
    #[prost(string, tag = "7")]
    pub model_config: ::prost::alloc::string::String,
    #[prost(string, tag = "8")]
    pub predict_fn: ::prost::alloc::string::String,
    #[prost(string, tag = "9")]
    pub env_manager: ::prost::alloc::string::String,
    #[prost(map = "string, string", tag = "10")]
    pub extra_env: ::std::collections::HashMap<::prost::alloc::string::String, ::prost::alloc::string::String>,
    #[prost(bytes = "vec", tag = "11")]
    pub result_schema: ::prost::alloc::vec::Vec<u8>,
    #[prost(string, tag = "12")]
    pub time_zone: ::prost::alloc::string::String,
    #[prost(map = "string, string", tag = "13")]
    pub labels: ::std::collections::HashMap<::prost::alloc::string::String, ::prost::alloc::string::String>,
    #[prost(string, tag = "14")]
    pub signature: ::prost::alloc::string::String,
    #[prost(string, repeated, tag = "15")]
    pub input_names: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    #[prost(message, optional, tag = "16")]
    pub python: ::core::option::Option<PythonRuntime>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct PythonRuntime {
    #[prost(string, tag="1")]
    pub executable: ::prost::alloc::string::String,
    #[prost(string, repeated, tag="2")]
    pub path: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    #[prost(map="string, string", tag="3")]
    pub env: ::std::collections::HashMap<::prost::alloc::string::String,::prost::alloc::string::String>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ScoreBatchInfo {
    #[prost(uint64, tag="1")]
    pub first_row: u64,
    #[prost(uint64, tag="2")]
    pub rows: u64,
    #[prost(uint64, tag="3")]
    pub score_nanos: u64,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Error {
    #[prost(string, tag="1")]
    pub kind: ::prost::alloc::string::String,
    #[prost(string, tag="2")]
    pub code: ::prost::alloc::string::String,
    #[prost(string, tag="3")]
    pub message: ::prost::alloc::string::String,
    #[prost(string, optional, tag="4")]
    pub column: ::core::option::Option<::prost::alloc::string::String>,
    #[prost(string, optional, tag="5")]
    pub expected: ::core::option::Option<::prost::alloc::string::String>,
    #[prost(string, optional, tag="6")]
    pub found: ::core::option::Option<::prost::alloc::string::String>,
    #[prost(string, optional, tag="7")]
    pub remedy: ::core::option::Option<::prost::alloc::string::String>,
    #[prost(uint64, optional, tag="8")]
    pub row: ::core::option::Option<u64>,
    #[prost(string, optional, tag="9")]
    pub traceback: ::core::option::Option<::prost::alloc::string::String>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ModelInfo {
    #[prost(string, tag="1")]
    pub name: ::prost::alloc::string::String,
    #[prost(string, tag="2")]
    pub uri: ::prost::alloc::string::String,
    #[prost(string, tag="3")]
    pub digest: ::prost::alloc::string::String,
    #[prost(string, tag="4")]
    pub engine: ::prost::alloc::string::String,
    #[prost(string, tag="5")]
    pub flavor: ::prost::alloc::string::String,
    #[prost(string, tag="6")]
    pub reason: ::prost::alloc::string::String,
    #[prost(bytes="vec", tag="7")]
    pub input_schema: ::prost::alloc::vec::Vec<u8>,
    #[prost(bytes="vec", tag="8")]
    pub output_schema: ::prost::alloc::vec::Vec<u8>,
    #[prost(uint64, tag="9")]
    pub memory: u64,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct UploadSpec {
    #[prost(string, tag="1")]
    pub name: ::prost::alloc::string::String,
    #[prost(string, tag="2")]
    pub digest: ::prost::alloc::string::String,
}
