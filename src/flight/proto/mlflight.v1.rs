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
